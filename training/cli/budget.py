"""`thousandfaces budget`: what was spent of the privacy budget, by whom, and whether the books are whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from recsys.errors import ConfigError, LedgerError
from recsys.privacy.budget import budget_report
from recsys.privacy.chain import Verification
from recsys.privacy.ledger import Ledger, Row
from training.cli.books import Books, open_books, print_history, print_status, print_verified

Command = Callable[..., None]


def _reads_books(command: Command) -> Command:
    """The options that every verb has: which ledgers, and how to print."""
    path = click.Path(path_type=Path)
    ledgers = click.option("--ledger", "paths", multiple=True, type=path, help="A ledger file; repeatable.")
    federation = click.option("--federation", type=path, help="A federation.toml: all its silos' ledgers.")
    as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
    return ledgers(federation(as_json(command)))


@click.group()
def budget() -> None:
    """Show, trace and verify what privacy was spent."""


@budget.command()
@_reads_books
@click.option("--delta", type=float, default=1e-6, show_default=True, help="Delta of the person's epsilon.")
@click.option("--max-silos", type=click.IntRange(min=1), help="In how many silos a person may be.")
def status(
    paths: tuple[Path, ...], federation: Path | None, delta: float, max_silos: int | None, as_json: bool
) -> None:
    """What each silo has spent and has left, and what the worst-off person has lost.

    Every epsilon is composed anew from the recorded events, over the lifetime of the ledgers; releases that
    were reserved and never finished count as spent.
    """
    books = open_books(paths, federation)
    report = budget_report(
        books.ledgers,
        max_silos_per_person=max_silos or books.max_silos_per_person,
        delta=delta,
        caps=books.caps,
    )
    if as_json:
        _echo_json({**report.to_dict(), "no_ledger_yet": sorted(books.missing)})
    else:
        print_status(report, books)


@budget.command()
@_reads_books
@click.option("--run", "run_id", help="Only the rows of this run.")
def history(paths: tuple[Path, ...], federation: Path | None, run_id: str | None, as_json: bool) -> None:
    """Every row of the ledgers in order: caps, reservations, commits, who asked and for what."""
    books = open_books(paths, federation)
    rows = {silo: _rows_of(ledger, run_id) for silo, ledger in books.ledgers.items()}
    if as_json:
        _echo_json({silo: [asdict(row) for row in found] for silo, found in rows.items()})
    else:
        print_history(rows)


@budget.command()
@_reads_books
@click.option("--head", "heads", multiple=True, help="A head exported earlier; repeatable.")
def verify(paths: tuple[Path, ...], federation: Path | None, heads: tuple[str, ...], as_json: bool) -> None:
    """Recompute every hash; edits, deletions, insertions and moved rows are named. Exit code 3 if any.

    A cut tail or a ledger written anew shows only against a head exported earlier: give it by --head.
    """
    books = open_books(paths, federation, must_exist=True)
    if heads and len(books.ledgers) > 1:
        raise ConfigError("--head belongs to one ledger; give that one alone with --ledger")
    found = {silo: ledger.verify(heads) for silo, ledger in books.ledgers.items()}
    if as_json:
        _echo_json(_verified_json(found, books))
    else:
        print_verified(found, books)
    if broken := [str(result.problem) for result in found.values() if not result.ok]:
        raise LedgerError(f"{broken[0]}; compare the ledger with its copies before anything is spent")


def _rows_of(ledger: Ledger, run_id: str | None) -> list[Row]:
    rows = ledger.rows()
    if run_id is None:
        return list(rows)
    charged = {row.id for row in rows if row.details.get("run_id") == run_id}
    return [
        row for row in rows if row.id in charged or (row.reservation in charged and row.kind != "receipt")
    ]


def _verified_json(found: dict[str, Verification], books: Books) -> dict[str, Any]:
    results = list(found.values())
    bad = [result for result in results if not result.ok]
    paths = {silo: str(ledger.path) for silo, ledger in books.ledgers.items()}
    return {
        "ok": not bad,
        "rows": sum(result.rows for result in results),
        "head": results[0].head if len(results) == 1 else None,
        "first_bad_row": bad[0].first_bad_row if bad else None,
        "ledgers": [{"silo": silo, "path": paths[silo], **asdict(result)} for silo, result in found.items()],
    }


def _echo_json(value: dict[str, Any]) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
