"""What a ledger's rows say: events charged, reservations open or voided, a mirror's silos."""

from __future__ import annotations

from recsys.privacy.charged import Charged, events_of
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_rows import Row
from recsys.privacy.reservations import Reservation, without_plan

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
    return tuple(one.charged for found in own_reservations(rows).values() for one in found)


def own_reservations(rows: Rows) -> dict[str, tuple[Reservation, ...]]:
    """The ledger's own reservations by the silo that their rows name, which is one silo's unless edited."""
    closing = {row.reservation: row for row in rows if row.kind in ("commit", "void")}
    found: dict[str, list[Reservation]] = {}
    for row in rows:
        if row.kind == "reserve" and row.event:
            told, end = Charged.from_details(row.event, row.details), closing.get(row.id)
            marks = frozenset((one.id, one.hash) for one in (row, end) if one)
            found.setdefault(row.silo, []).append(Reservation(row.id, marks, told, end.kind if end else None))
    return {silo: tuple(reservations) for silo, reservations in found.items()}


def mirrored_charges(rows: Rows) -> dict[str, tuple[Charged, ...]]:
    """The reservations of each silo whose receipts are kept, with what the receipts say of the plan."""
    return {silo: tuple(one.charged for one in found) for silo, found in mirrored_reservations(rows).items()}


def mirrored_reservations(rows: Rows) -> dict[str, tuple[Reservation, ...]]:
    """The reservations of each silo whose receipts are kept; receipts of one reservation are one."""
    found: dict[str, dict[tuple[int | None, Charged], Reservation]] = {}
    for row in rows:
        if row.kind == "receipt" and row.event:
            told = Charged.from_details(row.event, row.details)
            of_silo, key = found.setdefault(row.silo, {}), (row.reservation, without_plan(told))
            one = Reservation(row.reservation or 0, frozenset({_mark(row)}), told, _closed(row))
            of_silo[key] = _joined(of_silo[key], one) if key in of_silo else one
    return {silo: tuple(found[silo].values()) for silo in sorted(found)}


def _joined(one: Reservation, other: Reservation) -> Reservation:
    # An old receipt of the same reservation may lack what a newer one says.
    told = one.charged if one.charged.silos else other.charged
    return Reservation(one.number, one.marks | other.marks, told, one.closed or other.closed)


def _mark(receipt: Row) -> tuple[int, str]:
    return int(receipt.details["row"]), str(receipt.details["hash"])


def _closed(receipt: Row) -> str | None:
    kind = str(receipt.details.get("kind"))
    return kind if kind in ("commit", "void") else None


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
