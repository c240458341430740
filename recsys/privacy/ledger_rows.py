"""Reading a ledger's rows into typed values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from recsys.errors import LedgerError, PlanError
from recsys.privacy.charge import Receipt
from recsys.privacy.charged import Charged
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_schema import SALT
from recsys.privacy.stores.base import Record, Session

SECONDS = len("2026-01-01T00:00:00")  # finer times would tell how long a computation took


@dataclass(frozen=True)
class Cap:
    """The most that a silo lets be spent on its customers, for the lifetime of its ledger."""

    epsilon: float
    delta: float


@dataclass(frozen=True)
class Row:
    """One row as a reader sees it; `event` is None where nothing is charged, `details` holds the words.

    The row's salt is not among them: what shows or exports rows cannot show what keeps their hashes closed.
    """

    id: int
    kind: str
    time: str
    silo: str
    reservation: int | None
    event: PrivacyEvent | None
    steps_done: int | None
    delta: float | None
    clip_norm: float | None
    divisor: float | None
    cap: float | None
    details: dict[str, Any]
    hash: str


def read_row(row: Record) -> Row:
    """A stored row as readers see it; LedgerError if it was edited into something that is none."""
    return Row(
        id=row["id"],
        kind=row["kind"],
        time=row["time"],
        silo=row["silo"],
        reservation=row["reservation"],
        event=_event_of(row),
        steps_done=row["steps"] if row["kind"] == "commit" else None,
        delta=row["delta"],
        clip_norm=row["clip_norm"],
        divisor=row["divisor"],
        cap=row["cap"],
        details=read_words(row),
        hash=row["hash"],
    )


def read_receipt(session: Session, row: Record) -> Receipt:
    """The receipt of a reserve, commit or void row: named fields only, never the data's HMAC or the salt.

    Its time is the reservation's: when a release was committed tells how long it took to compute.
    """
    charged = row
    if row["kind"] != "reserve":
        charged = session.run("SELECT * FROM rows WHERE id = :id", id=row["reservation"])[0]
    details, event = read_words(charged), read_event(charged)
    plan = Charged.from_details(event, details)
    words = ("run_id", "mechanism", "purpose", "plan_fingerprint", "unit", "relation")
    return Receipt(
        kind=row["kind"],
        silo=charged["silo"],
        row=row["id"],
        hash=row["hash"],
        reservation=charged["id"],
        event=event,
        delta=charged["delta"],
        clip_norm=charged["clip_norm"],
        divisor=charged["divisor"],
        time=whole_seconds(str(charged["time"])),
        steps_done=row["steps"] if row["kind"] == "commit" else None,
        reason=read_words(row).get("reason"),
        silos=tuple(sorted(plan.silos)),
        max_silos_per_person=plan.max_silos_per_person,
        plan_events=plan.plan_events,
        **{name: details[name] for name in words},
    )


def whole_seconds(time: str) -> str:
    """A row's time without what is finer than seconds."""
    return time[:SECONDS]


def read_words(row: Record) -> dict[str, Any]:
    """The words of a stored row, without its salt. LedgerError if they are no JSON object."""
    try:
        return {name: value for name, value in json.loads(row["details"]).items() if name != SALT}
    except (ValueError, TypeError, AttributeError) as error:
        raise _edited(row, error) from error


def read_event(row: Record) -> PrivacyEvent:
    """What a reserve or receipt row accounts for."""
    return PrivacyEvent(row["noise_multiplier"], row["sampling_rate"], row["steps"])


def _event_of(row: Record) -> PrivacyEvent | None:
    if row["kind"] not in ("reserve", "receipt"):
        return None
    try:
        return read_event(row)
    except PlanError as error:
        raise _edited(row, error) from error


def _edited(row: Record, error: Exception) -> LedgerError:
    return LedgerError(
        f"row {row['id']} of the ledger is not readable ({error}): it was edited; restore a copy"
    )
