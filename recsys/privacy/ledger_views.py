"""What a ledger's rows say: events charged, reservations open or voided, a mirror's silos."""

from __future__ import annotations

from recsys.privacy.charged import Charged, events_of
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_rows import Row

Rows = tuple[Row, ...]


def charged_events(rows: Rows, *, include_reserved: bool = True) -> tuple[PrivacyEvent, ...]:
    """One event for each reservation of the ledger's own, then those that it mirrors."""
    mirrored = [event for events in mirrored_events(rows).values() for event in events]
    return (*own_events(rows, include_reserved=include_reserved), *mirrored)


def own_events(rows: Rows, *, include_reserved: bool = True) -> tuple[PrivacyEvent, ...]:
    """One event for each reservation of the ledger's own, or only for those committed."""
    committed = {row.reservation for row in rows if row.kind == "commit"}
    own = [row for row in rows if row.kind == "reserve" and (include_reserved or row.id in committed)]
    return tuple(row.event for row in own if row.event)


def own_charges(rows: Rows) -> tuple[Charged, ...]:
    """Each reservation of the ledger's own, with what its row recorded of the plan."""
    own = [(row.event, row.details) for row in rows if row.kind == "reserve"]
    return tuple(Charged.from_details(event, words) for event, words in own if event)


def mirrored_charges(rows: Rows) -> dict[str, tuple[Charged, ...]]:
    """The reservations of each silo whose receipts are kept, with what the receipts say of the plan."""
    found: dict[str, dict[int | None, Charged]] = {}
    for row in rows:
        if row.kind == "receipt" and row.event:
            told = Charged.from_details(row.event, row.details)
            known = found.setdefault(row.silo, {}).get(row.reservation)
            # An old receipt of the same reservation may lack what a newer one says.
            if known is None or not known.silos:
                found[row.silo][row.reservation] = told
    return {silo: tuple(found[silo].values()) for silo in sorted(found)}


def events_by_purpose(rows: Rows) -> dict[str, tuple[PrivacyEvent, ...]]:
    """The ledger's own events by the purpose they were charged for."""
    own = [
        (str(row.details.get("purpose", "")), row.event)
        for row in rows
        if row.kind == "reserve" and row.event
    ]
    purposes = sorted({purpose for purpose, _ in own})
    return {name: tuple(event for purpose, event in own if purpose == name) for name in purposes}


def mirrored_events(rows: Rows) -> dict[str, tuple[PrivacyEvent, ...]]:
    """The events of each silo whose receipts are kept: one for each reservation of the silo."""
    return {silo: events_of(charged) for silo, charged in mirrored_charges(rows).items()}


def open_reservations(rows: Rows) -> Rows:
    """Reservations neither committed nor voided."""
    closed = {row.reservation for row in rows if row.kind in ("commit", "void")}
    return tuple(row for row in rows if row.kind == "reserve" and row.id not in closed)


def voided_reservations(rows: Rows) -> Rows:
    """Reservations that were given up."""
    given_up = {row.reservation for row in rows if row.kind == "void"}
    return tuple(row for row in rows if row.kind == "reserve" and row.id in given_up)


def open_count(rows: Rows, mirrored: str | None = None) -> int:
    """How many releases were reserved and never closed: the ledger's own, or those of a silo it mirrors."""
    if mirrored is None:
        return len(open_reservations(rows))
    told = [row for row in rows if row.kind == "receipt" and row.silo == mirrored]
    closed = {row.reservation for row in told if row.details.get("kind") in ("commit", "void")}
    return len({row.reservation for row in told} - closed)


def voided_count(rows: Rows, mirrored: str | None = None) -> int:
    """How many releases were given up: the ledger's own, or those of a silo it mirrors."""
    if mirrored is None:
        return len(voided_reservations(rows))
    receipts = [row for row in rows if row.kind == "receipt" and row.silo == mirrored]
    return len([row for row in receipts if row.details.get("kind") == "void"])
