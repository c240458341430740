"""Reading a ledger's rows into typed values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from recsys.privacy.charge import Receipt
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.stores.base import Record, Session

SECONDS = len("2026-01-01T00:00:00")  # finer times would tell how long a computation took


@dataclass(frozen=True)
class Cap:
    """The most that a silo lets be spent on its customers, for the lifetime of its ledger."""

    epsilon: float
    delta: float


@dataclass(frozen=True)
class Row:
    """One row as a reader sees it; `event` is None where nothing is charged, `details` holds the words."""

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
    """A stored row as readers see it."""
    return Row(
        id=row["id"],
        kind=row["kind"],
        time=row["time"],
        silo=row["silo"],
        reservation=row["reservation"],
        event=read_event(row) if row["kind"] in ("reserve", "receipt") else None,
        steps_done=row["steps"] if row["kind"] == "commit" else None,
        delta=row["delta"],
        clip_norm=row["clip_norm"],
        divisor=row["divisor"],
        cap=row["cap"],
        details=json.loads(row["details"]),
        hash=row["hash"],
    )


def read_receipt(session: Session, row: Record) -> Receipt:
    """The receipt of a reserve, commit or void row: named fields only, never the data's HMAC."""
    charged = row
    if row["kind"] != "reserve":
        charged = session.run("SELECT * FROM rows WHERE id = :id", id=row["reservation"])[0]
    details = json.loads(charged["details"])
    words = ("run_id", "mechanism", "purpose", "plan_fingerprint", "unit", "relation")
    return Receipt(
        kind=row["kind"],
        silo=charged["silo"],
        row=row["id"],
        hash=row["hash"],
        reservation=charged["id"],
        event=read_event(charged),
        delta=charged["delta"],
        clip_norm=charged["clip_norm"],
        divisor=charged["divisor"],
        time=str(row["time"])[:SECONDS],
        steps_done=row["steps"] if row["kind"] == "commit" else None,
        reason=json.loads(row["details"]).get("reason"),
        **{name: details[name] for name in words},
    )


def read_event(row: Record) -> PrivacyEvent:
    """What a reserve or receipt row accounts for."""
    return PrivacyEvent(row["noise_multiplier"], row["sampling_rate"], row["steps"])
