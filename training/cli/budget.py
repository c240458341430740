"""`thousandfaces budget`: what was spent of the privacy budget, by whom, and whether the books are whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from recsys.errors import LedgerError
from recsys.privacy.budget import budget_report
from recsys.privacy.ledger import Ledger, Row
from training.cli.books import Sources, echo_json, open_books, reads_books
from training.cli.budget_heads import export, verify
from training.cli.budget_notes import notes
from training.cli.budget_rules import approve, cap
from training.cli.budget_text import print_history, print_status


@click.group()
def budget() -> None:
    """Show, trace and verify what privacy was spent; set caps and approve plans.

    Every verb takes the ledgers by --ledger, by --silo or by --federation.
    """


@budget.command()
@reads_books
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--delta", type=float, default=1e-6, show_default=True, help="Delta of the person's epsilon.")
@click.option("--max-silos", type=click.IntRange(min=1), help="Count a person in at least so many silos.")
def status(
    ledgers: tuple[str, ...],
    silos: tuple[Path, ...],
    federation: Path | None,
    as_json: bool,
    delta: float,
    max_silos: int | None,
) -> None:
    """What each silo has spent and has left, and what the worst-off person has lost.

    Every epsilon is composed anew from the recorded events, over the lifetime of the ledgers; releases that
    were reserved and never finished, or were found void, count as spent. Plans that wait for a second
    person's approval are listed with their fingerprints. Files say where ledgers are; what they say otherwise
    changes nothing here, and is noted where it differs from the rows. Exit code 3 if a chain is broken.
    """
    books = open_books(Sources(ledgers, silos, federation))
    report = budget_report(
        books.ledgers,
        max_silos_per_person=max_silos,
        delta=delta,
        caps=books.caps,
    )
    if as_json:
        echo_json({**report.to_dict(), "no_ledger_yet": sorted(books.missing), "notes": notes(report, books)})
    else:
        print_status(report, books)
    if broken := [silo.silo for silo in report.silos if not silo.chain_ok]:
        raise LedgerError(
            f"silo '{broken[0]}': its ledger's chain is broken, so what is shown may be too little; "
            "see 'budget verify' and compare the ledger with its copies"
        )


@budget.command()
@reads_books
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--run", "run_id", help="Only the rows of this run.")
def history(
    ledgers: tuple[str, ...],
    silos: tuple[Path, ...],
    federation: Path | None,
    as_json: bool,
    run_id: str | None,
) -> None:
    """Every row of the ledgers in order: caps, reservations, commits, who asked and approved, what for."""
    books = open_books(Sources(ledgers, silos, federation))
    rows = {silo: _rows_of(ledger, run_id) for silo, ledger in books.ledgers.items()}
    if as_json:
        echo_json({silo: [asdict(row) for row in found] for silo, found in rows.items()})
    else:
        print_history(rows)


for _command in (verify, export, cap, approve):
    budget.add_command(_command)


def _rows_of(ledger: Ledger, run_id: str | None) -> list[Row]:
    rows = ledger.rows()
    if run_id is None:
        return list(rows)
    charged = {row.id for row in rows if row.details.get("run_id") == run_id}
    return [
        row for row in rows if row.id in charged or (row.reservation in charged and row.kind != "receipt")
    ]
