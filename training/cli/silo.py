"""`thousandfaces silo`: what a silo's operator checks before a node runs."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from recsys.errors import ConfigError, DataContractError
from recsys.silos.base import Silo
from recsys.silos.check import SiloReport, check_silo
from recsys.silos.config import SiloConfig
from recsys.silos.files import FileSilo, read_catalogue
from recsys.words import noun

CONFIG_NAME = "silo.toml"


@click.group()
def silo() -> None:
    """Check a silo's tables against the data contract, and see what a run would send out of it."""


@silo.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--catalogue", type=click.Path(path_type=Path), help="Public catalogue to hold the items against."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def check(path: Path, catalogue: Path | None, as_json: bool) -> None:
    """Read all tables of a silo and name the first row that breaks the data contract.

    PATH is a folder of Parquet or CSV files (with its silo.toml, if it has one), or a silo.toml. Everything
    stays on this machine: the output quotes values and exact counts and is for the silo's own operator.
    """
    try:
        report = check_silo(open_silo(path), None if catalogue is None else read_catalogue(catalogue))
    except DataContractError as error:
        if as_json:
            _echo_json({"ok": False, **_described(error)})
        raise
    if as_json:
        _echo_json({"ok": True, **report.to_json()})
    else:
        click.echo(_text(report))


@silo.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--federation",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The silo's copy of federation.toml.",
)
@click.option(
    "--config", "config_file", type=click.Path(dir_okay=False, path_type=Path), help="The run's train.toml."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def preview(
    path: Path, federation: Path, config_file: Path | None, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Show everything that a run would send out of the silo: every field, every sum, its noise and its price.

    PATH is the silo.toml (or its folder). No customer's row is read, nothing is computed and nothing is
    charged: fields that no row of the table lets out cannot leave, whatever a run asks for.

    Example: thousandfaces silo preview silos/north/silo.toml --federation federation.toml
    """
    from recsys.silos.config import FederationConfig
    from training.cli.preview_text import preview_text
    from training.config_file import load_config
    from training.preview import preview as make_preview

    config = SiloConfig.load(path / CONFIG_NAME if path.is_dir() else path)
    told = load_config(config_file, overrides, {"federation": federation})
    shown = make_preview(config, FederationConfig.load(federation), told)
    if as_json:
        _echo_json(shown.to_dict())
    else:
        click.echo(preview_text(shown))


def open_silo(path: Path) -> Silo:
    """The silo of a silo.toml or of a folder; a folder without a silo.toml is read with UTC times."""
    config = path / CONFIG_NAME if path.is_dir() else path
    if config.is_file():
        return SiloConfig.load(config).training_silo()
    if path.is_dir():
        return FileSilo(path.resolve().name, path)
    raise ConfigError(f"{path}: no such folder or silo.toml; give the path of one")


def _described(error: DataContractError) -> dict[str, object]:
    location = error.location
    return {
        "error": str(error),
        "file": location.file,
        "row": location.row,
        "column": location.column,
        "value": location.value,
        "problem": error.problem,
        "remedy": error.remedy,
    }


def _echo_json(value: dict[str, object]) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _text(report: SiloReport) -> str:
    span = f", {report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}" if report.first and report.last else ""
    consents = ", ".join(f"{count:,} to {purpose}" for purpose, count in report.consenting.items())
    lines = [f"silo '{report.name}' meets the data contract"]
    lines += [f"  {table:<13} {rows:>10,} {noun(rows, 'row')}" for table, rows in report.rows.items()]
    lines += [f"  ordering      {report.ordering}{span}", f"  consent       {consents}"]
    return "\n".join([*lines, "These numbers are for the silo's operator; none of them leaves the silo."])
