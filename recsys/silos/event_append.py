"""What a batch of events does to the online store's table: each customer's are stored whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import NamedTuple

from recsys.data.checks import FIRST_TIME, MOST_UNITS, SINCE_FIRST_TIME, UNITS
from recsys.errors import DataContractError, EventConflictError
from recsys.silos.events import Event, to_row

COLUMNS = "event_id, customer_id, item_id, event, quantity, timestamp, store_id, price"
INSERT = f"insert into events ({COLUMNS}) values (?,?,?,?,?,?,?,?) on conflict do nothing"  # noqa: S608


class Refused(NamedTuple):
    """Why a customer's events of a batch were not stored: the first at fault, by position in the batch."""

    position: int
    error: EventConflictError | DataContractError


class Appended(NamedTuple):
    """What became of a batch: events stored now, events known already, and at most one refusal a customer."""

    accepted: int
    duplicates: int
    refused: tuple[Refused, ...] = ()


def append(connection: sqlite3.Connection, events: Sequence[Event], latest: datetime) -> Appended:
    """Store a batch inside the caller's transaction.

    An event with an id that the customer has and the same content is a duplicate and changes nothing. One
    with other content, outside the contract, or from after `latest` (aware), refuses that customer's events
    of the batch.

    Guarantee: what is stored of a customer, and why not, depends on that customer's events alone, of those
    stored before and of the batch. Raises sqlite3.Error for the file's sake alone.
    """
    accepted, taken, refused = 0, 0, list[Refused]()
    for own in _by_customer(events).values():
        connection.execute("savepoint customer")
        stored = _append_own(connection, own, latest)
        if isinstance(stored, Refused):
            connection.execute("rollback to customer")
            refused.append(stored)
        else:
            accepted, taken = accepted + stored, taken + len(own)
        connection.execute("release customer")
    return Appended(accepted, taken - accepted, tuple(sorted(refused, key=lambda one: one.position)))


_Numbered = list[tuple[int, Event]]


def _by_customer(events: Sequence[Event]) -> dict[str, _Numbered]:
    found: dict[str, _Numbered] = {}
    for position, event in enumerate(events):
        found.setdefault(event.customer_id, []).append((position, event))
    return found


def _append_own(connection: sqlite3.Connection, own: _Numbered, latest: datetime) -> int | Refused:
    """How many of one customer's events were new; or why none of them may stay."""
    accepted = 0
    for position, event in own:
        if error := _outside(event, latest):
            return Refused(position, error)
        row = to_row(event)
        inserted = connection.execute(INSERT, row).rowcount
        if not inserted and (name := _differing(connection, row)):
            return Refused(position, _conflict(event.event_id, name))
        accepted += inserted
    return accepted


def _outside(event: Event, latest: datetime) -> DataContractError | None:
    """Why the event is outside the contract of interactions, as it would be set aside when it is read again.

    Not a condition of `Event`: older programs stored events beyond these, which stay readable.
    """
    if event.timestamp > latest:
        return event.error("timestamp", "future date", "correct the sender's clock")
    if event.timestamp < FIRST_TIME:
        return event.error("timestamp", SINCE_FIRST_TIME.problem, "correct the sender's clock")
    if event.quantity > MOST_UNITS:
        return event.error("quantity", UNITS.problem, f"send a number of at most {MOST_UNITS:,.0f}")
    return None


def _differing(connection: sqlite3.Connection, row: tuple[object, ...]) -> str | None:
    """The first field in which the customer's stored event of this id is another one."""
    query = f"select {COLUMNS} from events where event_id = ? and customer_id = ?"  # noqa: S608
    known = connection.execute(query, row[:2]).fetchone()
    pairs = zip(fields(Event), known, row, strict=True)
    return next((field.name for field, old, new in pairs if old != new), None)


def _conflict(event_id: str, name: str) -> EventConflictError:
    return EventConflictError(
        f"event {event_id!r} is stored with another {name}; "
        "send each event under its own id, and never change one that was sent"
    )
