"""The ledgers that a budget command works on, by file, by silo or by federation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

from recsys.errors import ConfigError, LedgerError
from recsys.privacy.ledger import Cap, Ledger
from recsys.privacy.stores.base import is_url
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.silos.ledger import read_ledger

Command = Callable[..., None]


@dataclass(frozen=True)
class Sources:
    """What the command line names: ledgers (paths or URLs), silo.toml files, or a federation.toml."""

    ledgers: tuple[str, ...]
    silos: tuple[Path, ...]
    federation: Path | None


@dataclass(frozen=True)
class Books:
    """Ledgers and configured caps by silo, silos without a ledger yet, and what federation.toml says.

    max_silos_per_person is for comparing alone: what is shown comes from rows.
    """

    ledgers: dict[str, Ledger]
    caps: dict[str, Cap]
    missing: tuple[str, ...]
    max_silos_per_person: int | None


def reads_books(command: Command) -> Command:
    """The options that every verb has: which ledgers."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--federation", type=path, help="A federation.toml: the ledgers of all its silos."),
        click.option(
            "--silo", "silos", multiple=True, type=path, help="A silo.toml: its ledger; repeatable."
        ),
        click.option(
            "--ledger",
            "ledgers",
            multiple=True,
            metavar="PATH|URL",
            help="A ledger's file, or postgresql://user@host/database?schema=NAME; repeatable.",
        ),
    ):
        command = option(command)
    return command


def open_books(sources: Sources, *, must_exist: bool = False) -> Books:
    """The ledgers that are named; ConfigError unless exactly one kind of source is given.

    must_exist: a silo without a ledger is an error, not a silo that has spent nothing yet.
    """
    kinds = [bool(sources.ledgers), bool(sources.silos), sources.federation is not None]
    if sum(kinds) != 1:
        raise ConfigError(
            "give either --ledger PATH or URL, --silo PATH (each once or more), or --federation PATH"
        )
    if sources.ledgers:
        return Books(_named(sources.ledgers), {}, (), None)
    if sources.federation is not None:
        federation = FederationConfig.load(sources.federation)
        return _of_silos(federation.silo_configs(), federation.max_silos_per_person, must_exist)
    return _of_silos(tuple(map(SiloConfig.load, sources.silos)), None, must_exist)


def echo_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _of_silos(silos: tuple[SiloConfig, ...], most: int | None, must_exist: bool) -> Books:
    if len({silo.name for silo in silos}) < len(silos):
        raise ConfigError("two of these silos have one name; give each once")
    ledgers = {silo.name: read_ledger(silo) for silo in silos if must_exist or Ledger.exists(silo.ledger)}
    missing = tuple(silo.name for silo in silos if silo.name not in ledgers)
    return Books(ledgers, {silo.name: Cap(silo.epsilon_cap, silo.delta) for silo in silos}, missing, most)


def _named(places: tuple[str, ...]) -> dict[str, Ledger]:
    ledgers: dict[str, Ledger] = {}
    for place in places:
        ledger = Ledger(place if is_url(place) else Path(place), create=False)
        fallback = ledger.where if is_url(place) else Path(place).stem
        try:
            name = ledger.owner() or fallback
        except LedgerError:  # damaged: `verify` says how
            name = fallback
        ledgers[name if name not in ledgers else ledger.where] = ledger
    return ledgers
