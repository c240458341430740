"""`budget cap` and `budget approve`: the rules of ledgers, changed by people who are named."""

from __future__ import annotations

import re
from pathlib import Path

import click

from recsys.errors import ConfigError
from recsys.privacy.ledger import Ledger
from training.cli.books import Sources, open_books, reads_books


@click.command()
@reads_books
@click.option(
    "--epsilon", type=float, required=True, help="The most that may be spent, for the ledger's lifetime."
)
@click.option("--delta", type=float, required=True, help="At this delta; below 1 / registered customers.")
@click.option("--purpose", help="Only for this purpose: training, evaluation, audit.")
@click.option("--by", required=True, metavar="NAME", help="Who sets it.")
def cap(
    ledgers: tuple[str, ...],
    silos: tuple[Path, ...],
    federation: Path | None,
    epsilon: float,
    delta: float,
    purpose: str | None,
    by: str,
) -> None:
    """Set the cap of a silo's ledger, or of one purpose in it; the change is a row with a name.

    It holds until it is set again, here or by a changed value in silo.toml. A cap below what was spent
    refuses everything from now on.
    """
    for silo, ledger in open_books(Sources(ledgers, silos, federation), must_exist=True).ledgers.items():
        ledger.set_cap(epsilon, delta, purpose, requester=_person(by))
        spent = "" if purpose else f"; spent {ledger.epsilon(delta):.4g}"
        of = f" for {purpose}" if purpose else ""
        click.echo(f"{silo}: cap{of} is epsilon {epsilon:g} at delta {delta:g}{spent}")


@click.command()
@reads_books
@click.option(
    "--plan", "fingerprint", required=True, help="The fingerprint that the refusal and `status` show."
)
@click.option("--epsilon", type=float, help="The most that the plan may spend in all; no limit if left out.")
@click.option("--by", required=True, metavar="NAME", help="Who approves; not who asked.")
def approve(
    ledgers: tuple[str, ...],
    silos: tuple[Path, ...],
    federation: Path | None,
    fingerprint: str,
    epsilon: float | None,
    by: str,
) -> None:
    """Approve a plan that waits for a second person, then run it again; the approval is a row with a name.

    It counts for this plan in the ledgers given and for no other. A request to ask for fewer approvals is
    approved in the same way, by the fingerprint that its refusal shows.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
        raise ConfigError(f"--plan {fingerprint!r} is no fingerprint of 64 hexadecimal digits; see `status`")
    person = _person(by)
    for silo, ledger in open_books(Sources(ledgers, silos, federation), must_exist=True).ledgers.items():
        asked = _asked(ledger, fingerprint)
        row = ledger.approve(fingerprint, person, epsilon=epsilon)
        whose = f"asked for by {', '.join(asked)}" if asked else "which nobody has asked for yet"
        click.echo(f"{silo}: row {row}: {person} approves {fingerprint}, {whose}")


def _asked(ledger: Ledger, fingerprint: str) -> list[str]:
    waiting = ledger.waiting()
    return sorted(
        str(row.details["requester"]) for row in waiting if row.details["plan_fingerprint"] == fingerprint
    )


def _person(name: str) -> str:
    if not name.strip():
        raise ConfigError("--by is empty; give the name of the person")
    return name.strip()
