"""Budgets and ledgers as people read them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from recsys.privacy.budget import BudgetReport, PurposeBudget, SiloBudget
from recsys.privacy.chain import Verification
from recsys.privacy.ledger import Row
from recsys.words import NO_VALUE, counted
from training.cli.books import Books
from training.cli.budget_notes import notes

PIPE_WIDTH = 140
STATUS = ("silo", "spent ε", "cap", "left", "δ", "releases", "open", "void", "chain")
HISTORY = ("row", "time", "kind", "of", "what", "noise", "rate", "steps", "run", "by")


def print_status(report: BudgetReport, books: Books) -> None:
    """The account of each silo, by purpose too, what waits for approval, and the worst-off person."""
    console, table = _console(), Table(*STATUS, title="Privacy budget")
    for silo in report.silos:
        counts = [str(n) for n in (silo.releases, silo.open_releases, silo.voided_releases)]
        table.add_row(silo.silo, *_spent(silo), *counts, "whole" if silo.chain_ok else "BROKEN")
        for purpose in silo.purposes:
            table.add_row(f"  {purpose.purpose}", *_spent(purpose), *[NO_VALUE] * 4)
    for name in books.missing:
        cap = books.caps[name]
        table.add_row(name, "0", *[f"{cap.epsilon:.4g}"] * 2, f"{cap.delta:g}", "0", "0", "0", "not begun")
    console.print(table)
    for silo in report.silos:
        _print_waiting(console, silo)
    console.print(
        f"A person in up to {counted(report.max_silos_per_person, 'silo')}: ε = {report.person_epsilon:.4g} "
        f"at δ = {report.delta:g}, for the lifetime of these ledgers (unit: one customer, add or remove). "
        "Open and void releases are spent."
    )
    if len(report.federations) > 1:
        for one in report.federations:
            most = counted(one.max_silos_per_person, "silo")
            console.print(escape(f"  of these in up to {most} of {', '.join(one.silos)}"))
    for line in notes(report, books):
        console.print(escape(f"Note: {line}"))


def print_history(rows: Mapping[str, list[Row]]) -> None:
    """Every row as a line, a table for each silo."""
    for silo, found in rows.items():
        columns = [Column(name, overflow="fold", no_wrap=name in ("row", "kind")) for name in HISTORY]
        table = Table(*columns, title=silo)
        for row in found:
            table.add_row(*(escape(cell) or NO_VALUE for cell in _history_cells(row)))
        _console().print(table)


def print_verified(found: Mapping[str, Verification], books: Books) -> None:
    """Whether each chain is whole, with its head."""
    for silo, result in found.items():
        words = "whole" if result.ok else f"BROKEN at row {result.first_bad_row}: {result.problem}"
        where = books.ledgers[silo].where
        _console().print(
            escape(f"{silo}: {counted(result.rows, 'row')}, {words}\n  {where}\n  head {result.head}")
        )


def _spent(account: SiloBudget | PurposeBudget) -> list[str]:
    limits = [NO_VALUE if value is None else f"{value:.4g}" for value in (account.cap, account.left)]
    return [f"{account.epsilon:.4g}", *limits, f"{account.delta:g}"]


def _print_waiting(console: Console, silo: SiloBudget) -> None:
    for asked in silo.waiting:
        epsilon = f" of ε = {asked['epsilon']:.4g}" if "epsilon" in asked else ""
        console.print(
            escape(
                f"{silo.silo}: {asked['subject']} {asked['plan_fingerprint']}{epsilon}, asked for by "
                f"{asked['requester']}, waits for a second person: thousandfaces budget approve --help"
            )
        )


def _history_cells(row: Row) -> list[str]:
    words = row.details
    numbers = ["", "", "" if row.steps_done is None else str(row.steps_done)]
    if event := row.event:
        numbers = [f"{event.noise_multiplier:.4g}", f"{event.sampling_rate:g}", str(event.steps)]
    of = "" if row.reservation is None else str(row.reservation)
    people = [str(words[name]) for name in ("requester", "approver") if words.get(name)]
    who = [str(words.get("run_id", "")), ", approved by ".join(people)]
    return [str(row.id), row.time[:19], row.kind, of, _what(row), *numbers, *who]


def _what(row: Row) -> str:
    words = row.details
    if row.kind == "cap":
        return f"ε ≤ {row.cap:g}" + (f" for {words['purpose']}" if "purpose" in words else "")
    if row.kind == "policy":
        above = words["approval_above"]
        return "approval: never" if above is None else f"approval above ε = {above:g}"
    if row.kind in ("request", "approve"):
        return f"{words['plan_fingerprint'][:12]}…" + ("" if row.cap is None else f" up to ε = {row.cap:g}")
    return str(words.get("mechanism", words.get("reason", words.get("model_hash", ""))))


def _console() -> Console:
    console = Console(soft_wrap=True, highlight=False)
    # A pipe or a log has no width of its own: leave room for whole rows there.
    return console if console.is_terminal else Console(soft_wrap=True, highlight=False, width=PIPE_WIDTH)
