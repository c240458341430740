"""The ledgers that a budget command reads, and how they are shown to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from recsys.errors import ConfigError, LedgerError
from recsys.privacy.budget import BudgetReport
from recsys.privacy.chain import Verification
from recsys.privacy.ledger import Cap, Ledger, Row
from recsys.silos.config import FederationConfig

PIPE_WIDTH = 140
STATUS = ("silo", "spent ε", "cap", "left", "δ", "releases", "open", "chain")
HISTORY = ("row", "time", "kind", "of", "mechanism", "noise", "rate", "steps", "run", "by")


@dataclass(frozen=True)
class Books:
    """Ledgers and configured caps by silo, silos without a ledger yet, in how many a person may be."""

    ledgers: dict[str, Ledger]
    caps: dict[str, Cap]
    missing: dict[str, Path]
    max_silos_per_person: int | None


def open_books(paths: tuple[Path, ...], federation: Path | None, *, must_exist: bool = False) -> Books:
    """The ledgers at these paths or of this federation; ConfigError unless exactly one of the two is given.

    must_exist: a silo without a ledger is an error, not a silo that has spent nothing yet.
    """
    if bool(paths) == (federation is not None):
        raise ConfigError("give either --ledger PATH (once or more) or --federation PATH")
    if federation is None:
        return Books(_named(paths), {}, {}, None)
    config = FederationConfig.load(federation)
    silos = config.silo_configs()
    caps = {silo.name: Cap(silo.epsilon_cap, silo.delta) for silo in silos}
    begun = [silo for silo in silos if must_exist or silo.ledger.exists()]
    ledgers = {silo.name: Ledger(silo.ledger, create=False) for silo in begun}
    missing = {silo.name: silo.ledger for silo in silos if silo.name not in ledgers}
    return Books(ledgers, caps, missing, config.max_silos_per_person)


def print_status(report: BudgetReport, books: Books) -> None:
    """The account of each silo and of the worst-off person."""
    table = Table(*STATUS, title="Privacy budget")
    for silo in report.silos:
        limits = ["-" if value is None else f"{value:.4g}" for value in (silo.cap, silo.left)]
        counts = [f"{silo.delta:g}", str(silo.releases), str(silo.open_releases)]
        chain = "whole" if silo.chain_ok else "BROKEN"
        table.add_row(silo.silo, f"{silo.epsilon:.4g}", *limits, *counts, chain)
    for name in books.missing:
        cap = books.caps[name]
        table.add_row(
            name, "0", f"{cap.epsilon:.4g}", f"{cap.epsilon:.4g}", f"{cap.delta:g}", "0", "0", "not begun"
        )
    _console().print(table)
    _console().print(
        f"A person in up to {report.max_silos_per_person} silo(s): ε = {report.person_epsilon:.4g} at "
        f"δ = {report.delta:g}, for the lifetime of these ledgers (unit: one customer, add or remove)."
    )


def print_history(rows: Mapping[str, list[Row]]) -> None:
    """Every row as a line, a table for each silo."""
    for silo, found in rows.items():
        columns = [Column(name, overflow="fold", no_wrap=name in ("row", "kind")) for name in HISTORY]
        table = Table(*columns, title=silo)
        for row in found:
            table.add_row(*map(escape, _history_cells(row)))
        _console().print(table)


def print_verified(found: Mapping[str, Verification], books: Books) -> None:
    """Whether each chain is whole, with its head."""
    for silo, result in found.items():
        words = "whole" if result.ok else f"BROKEN at row {result.first_bad_row}: {result.problem}"
        path = books.ledgers[silo].path
        _console().print(escape(f"{silo}: {result.rows} rows, {words}\n  {path}\n  head {result.head}"))


def _named(paths: tuple[Path, ...]) -> dict[str, Ledger]:
    ledgers: dict[str, Ledger] = {}
    for path in paths:
        ledger = Ledger(path, create=False)
        try:
            name = ledger.owner() or path.stem
        except LedgerError:  # damaged: `verify` says how
            name = path.stem
        ledgers[name if name not in ledgers else str(path)] = ledger
    return ledgers


def _history_cells(row: Row) -> list[str]:
    words = row.details
    what = f"ε ≤ {row.cap:g}" if row.cap else str(words.get("mechanism", words.get("reason", "")))
    numbers = ["", "", "" if row.steps_done is None else str(row.steps_done)]
    if event := row.event:
        numbers = [f"{event.noise_multiplier:.4g}", f"{event.sampling_rate:g}", str(event.steps)]
    of = "" if row.reservation is None else str(row.reservation)
    who = [str(words.get(name, "")) for name in ("run_id", "requester")]
    return [str(row.id), row.time[:19], row.kind, of, what, *numbers, *who]


def _console() -> Console:
    console = Console(soft_wrap=True, highlight=False)
    # A pipe or a log has no width of its own: leave room for whole rows there.
    return console if console.is_terminal else Console(soft_wrap=True, highlight=False, width=PIPE_WIDTH)
