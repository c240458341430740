"""`thousandfaces publish` and `thousandfaces promote`: from a finished run to what shops serve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recsys.errors import ConfigError
from recsys.quiet import quiet_libraries

if TYPE_CHECKING:
    from recsys.bundle.registry_mlflow import Release

_output = click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".thousandfaces"),
    show_default=True,
    help="The folder that 'thousandfaces train' wrote to.",
)
_uri = click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    help="The MLflow registry.  [default: the SQLite file in the output folder]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


@click.command()
@click.argument("run")
@click.option("--name", default="thousandfaces", show_default=True, help="Name of the registered model.")
@click.option("--alias", default="candidate", show_default=True, help="Alias to point at the new version.")
@_output
@_uri
@_json
def publish(run: str, name: str, alias: str, output: Path, tracking_uri: str | None, as_json: bool) -> None:
    """Register a finished run's bundle as a new version of a model.

    RUN is a run id, the beginning of one, or 'latest'. Training does this by itself in its own registry; use
    this command for another registry, name or alias. The same bundle again keeps the version that it has.
    """
    quiet_libraries()
    from recsys.bundle.registry_mlflow import MlflowRegistry
    from training.checkpoint import find_run

    folder = find_run(output, run)
    if not folder.bundle.is_dir():
        status = folder.state()["status"]
        raise ConfigError(f"run '{folder.run_id}' is {status} and has no bundle; give a finished one")
    uri = _registry_uri(output, tracking_uri)
    registry = MlflowRegistry(uri)
    release = registry.publish(folder.bundle, name)
    _show(registry.set_alias(name, alias, release.version), alias, uri, as_json)


@click.command()
@click.argument("model", metavar="NAME[@VERSION]")
@click.option("--alias", default="champion", show_default=True, help="Alias to point at the version.")
@_output
@_uri
@_json
def promote(model: str, alias: str, output: Path, tracking_uri: str | None, as_json: bool) -> None:
    """Point an alias at a registered version; shops that serve the alias switch to it.

    NAME is the model's name; VERSION is a number or another alias.  [default: candidate]

    Example: thousandfaces promote thousandfaces@3 --alias champion
    """
    quiet_libraries()
    from recsys.bundle.registry_mlflow import MlflowRegistry

    name, _, version = model.partition("@")
    uri = _registry_uri(output, tracking_uri)
    registry = MlflowRegistry(uri)
    wanted = version or "candidate"
    separator = "/" if wanted.isdigit() else "@"
    found = registry.resolve(f"models:/{name}{separator}{wanted}")
    _show(registry.set_alias(name, alias, found.version), alias, uri, as_json)


def _registry_uri(output: Path, tracking_uri: str | None) -> str:
    if tracking_uri:
        return tracking_uri
    database = output / "mlflow.db"
    if not database.exists():
        raise ConfigError(
            f"{database}: no registry is here yet; train first, or give --output or --tracking-uri"
        )
    return f"sqlite:///{database.absolute()}"


def _show(release: Release, alias: str, uri: str, as_json: bool) -> None:
    if as_json:
        record = {"name": release.name, "version": release.version, "alias": alias, "tracking_uri": uri}
        click.echo(json.dumps({**record, "model_version": release.model_version}))
        return
    click.echo(
        f"'{alias}' of {release.name} is now version {release.version} (bundle {release.model_version}).\n"
        f"Serve it with: MLFLOW_TRACKING_URI={uri} \\\n"
        f"  thousandfaces serve --bundle models:/{release.name}@{alias} --silo path/to/silo.toml"
    )
