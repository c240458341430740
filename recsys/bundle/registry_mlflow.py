"""The model registry, by MLflow: publish, alias, fetch. The only module of recsys that uses mlflow.

As a program it fetches: `python -m recsys.bundle.registry_mlflow fetch models:/name@alias FOLDER`, so that a
server needs no mlflow in its own process. The folder appears whole and verified, or not at all.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.bundle.manifest import MANIFEST_FILE
from recsys.bundle.store import checked_files, place_folder, read_bundle, read_manifest
from recsys.errors import RegistryError, RegistryNameError, ThousandFacesError

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
ARTIFACT_FOLDER = "bundle"
EXPERIMENT = "bundles"
SEAL_TAG, MODEL_VERSION_TAG = "bundle_seal", "model_version"
NO_SUCH_NAME = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
_URI = re.compile(r"models:/(?P<name>[^/@]+)(@(?P<alias>[^/@]+)|/(?P<version>[1-9][0-9]{0,8}))")


@dataclass(frozen=True)
class Release:
    """One registered version of a model: its number, the bundle's own version, its aliases and its run."""

    name: str
    version: int
    model_version: str
    aliases: tuple[str, ...]
    run_id: str | None


@dataclass(frozen=True)
class MlflowRegistry:
    """A model registry behind a tracking URI (None: mlflow's own default, such as MLFLOW_TRACKING_URI)."""

    tracking_uri: str | None = None

    def publish(self, folder: Path, name: str, *, run_id: str | None = None) -> Release:
        """Register the bundle in `folder` as a new version of `name`; nobody is served it yet.

        The same bundle again gives the version it already has, so a run that died may publish again.
        run_id: the run that keeps the files; without it a run of the experiment 'bundles' is made.
        Raises BundleError if the folder is no sound bundle, RegistryError.
        """
        seal = read_bundle(folder).manifest.seal
        manifest = read_manifest(folder)
        with _client(self.tracking_uri) as client:
            _ensure_model(client, name)
            for found in client.search_model_versions(f"name = '{name}'"):
                if found.tags.get(SEAL_TAG) == seal:
                    return _release(found)
            run = client.get_run(run_id) if run_id else self._new_run(client)
            client.log_artifacts(run.info.run_id, str(folder), ARTIFACT_FOLDER)
            made = client.create_model_version(
                name,
                source=f"{run.info.artifact_uri}/{ARTIFACT_FOLDER}",
                run_id=run.info.run_id,
                tags={SEAL_TAG: seal, MODEL_VERSION_TAG: manifest.model_version},
            )
            return _release(made)

    def set_alias(self, name: str, alias: str, version: int) -> Release:
        """Point an alias at a version: the one step that gives servers another bundle.

        Raises RegistryNameError if there is no such version, RegistryError.
        """
        with _client(self.tracking_uri) as client:
            client.get_model_version(name, str(version))
            client.set_registered_model_alias(name, alias, str(version))
            return _release(client.get_model_version(name, str(version)))

    def releases(self, name: str) -> tuple[Release, ...]:
        """All versions of a model, newest first. Raises RegistryNameError if there is no such model."""
        with _client(self.tracking_uri) as client:
            aliases = client.get_registered_model(name).aliases
            found = [
                _release(version, aliases) for version in client.search_model_versions(f"name = '{name}'")
            ]
            return tuple(sorted(found, key=lambda release: -release.version))

    def resolve(self, uri: str) -> Release:
        """The version that `models:/name@alias` or `models:/name/3` means now. Raises RegistryNameError."""
        with _client(self.tracking_uri) as client:
            return _release(_resolved(client, uri))

    def fetch(self, uri: str, folder: Path) -> Path:
        """Copy a registered bundle to `folder`, which appears only once its hashes are checked.

        Raises RegistryNameError (unknown model, alias or version), RegistryError (unreachable, or the files
        are gone) or BundleError (damaged, or another bundle is already there).
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            with _client(self.tracking_uri) as client:
                copy = _download(client, _resolved(client, uri), scratch, self.tracking_uri)
            manifest = read_bundle(copy).manifest
            place_folder(folder, {**checked_files(copy, manifest), MANIFEST_FILE: manifest.to_json()})
        return folder

    def _new_run(self, client: MlflowClient) -> Any:
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is not None:
            return client.create_run(experiment.experiment_id)
        return client.create_run(client.create_experiment(EXPERIMENT, _artifact_root(self.tracking_uri)))


def _ensure_model(client: MlflowClient, name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise RegistryNameError(f"model name '{name}': use letters, digits, '_', '.' and '-' only")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)


def _resolved(client: MlflowClient, uri: str) -> Any:
    match = _URI.fullmatch(uri)
    if match is None:
        raise RegistryNameError(
            f"'{uri}' names no registered bundle; write models:/name@alias or models:/name/3"
        )
    if match["alias"]:
        return client.get_model_version_by_alias(match["name"], match["alias"])
    return client.get_model_version(match["name"], match["version"])


def _download(client: MlflowClient, found: Any, scratch: str, tracking_uri: str | None) -> Path:
    import mlflow

    source = client.get_model_version_download_uri(found.name, str(found.version))
    try:
        copy = Path(mlflow.artifacts.download_artifacts(source, dst_path=scratch, tracking_uri=tracking_uri))
    except Exception as error:  # the name was right, whatever the code of this error says
        raise RegistryError(
            f"{source}: files cannot be fetched ({_first_line(error)}); publish the bundle again"
        ) from error
    if not copy.is_dir():
        raise RegistryError(f"{source}: is no folder of files; publish the bundle again")
    return copy


def _release(found: Any, aliases: dict[str, str] | None = None) -> Release:
    version = int(found.version)
    names = found.aliases if aliases is None else [a for a, v in aliases.items() if int(v) == version]
    tag = found.tags.get(MODEL_VERSION_TAG, "")
    return Release(found.name, version, tag, tuple(sorted(names)), found.run_id or None)


def _artifact_root(tracking_uri: str | None) -> str | None:
    """Beside an SQLite database, so that the registry does not depend on the working directory."""
    if tracking_uri is None or not tracking_uri.startswith("sqlite:///"):
        return None
    return str(Path(tracking_uri.removeprefix("sqlite:///")).resolve().parent / "artifacts")


@contextmanager
def _client(tracking_uri: str | None) -> Iterator[MlflowClient]:
    """A client whose failures are RegistryErrors of one line, RegistryNameErrors where a name is to blame."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise RegistryError("mlflow is not installed; run: pip install 'thousandfaces[registry]'") from None
    try:
        yield MlflowClient(tracking_uri, tracking_uri)
    except ThousandFacesError:
        raise
    except Exception as error:
        kind = RegistryNameError if getattr(error, "error_code", "") in NO_SUCH_NAME else RegistryError
        where = tracking_uri or "MLflow's default registry"
        raise kind(
            f"{where}: {_first_line(error)}; check the name, alias or version, and the tracking URI"
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


@click.group()
def main() -> None:
    """Bundles in an MLflow model registry."""


@main.command()
@click.argument("uri")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="Where the registry is.")
def fetch(uri: str, folder: Path, tracking_uri: str | None) -> None:
    """Fetch URI (models:/name@alias or models:/name/3) into FOLDER and print its model version."""
    try:
        MlflowRegistry(tracking_uri).fetch(uri, folder)
        click.echo(read_manifest(folder).model_version)
    except ThousandFacesError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
