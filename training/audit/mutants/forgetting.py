"""Builds that charge a retried block once, or show an epsilon that leaves something out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recsys.privacy import ledger_views as views
from recsys.privacy.person import Person
from training import node
from training.audit.mutants.registry import Replacement, mutants_of
from training.config import TOWERS
from training.spend import Reservation, reopen, reserve

LARGE_DELTA = 1e-3


def a_retried_block_is_free() -> Iterator[Replacement]:
    """A block that is asked for again was paid for already: its steps are drawn anew and not charged."""
    paid: dict[tuple[str, str, str], Any] = {}

    def reserve_once(ledger: Any, charge: Any) -> Any:
        key = (ledger.where, charge.run_id, charge.plan_fingerprint)
        if charge.mechanism != TOWERS or key not in paid:
            paid[key] = reserve(ledger, charge)
        paid[key]._closed, paid[key]._used = False, 0
        return paid[key]

    def reopen_paid(ledger: Any, row: int, used: int) -> Any:
        known = [one for one in paid.values() if one.row == row and one._ledger.where == ledger.where]
        return known[0] if known else reopen(ledger, row, used)

    def commit(self: Any) -> None:
        if not any(row.kind == "commit" and row.reservation == self.row for row in self._ledger.rows()):
            real(self)

    real = Reservation.commit
    yield node, "reserve", reserve_once
    yield node, "reopen", reopen_paid
    yield node, "claim", lambda *_: 0
    yield Reservation, "commit", commit


def what_is_open_is_not_spent() -> Iterator[Replacement]:
    """What is shown leaves out reservations that were never closed: nothing was handed over."""
    reservations, events = views.own_reservations, views.own_events

    def closed(rows: views.Rows) -> views.Rows:
        done = {row.reservation for row in rows if row.kind in ("commit", "void")}
        return tuple(row for row in rows if row.kind != "reserve" or row.id in done)

    yield views, "own_reservations", lambda rows: reservations(closed(rows))
    yield views, "own_events", lambda rows, **options: events(closed(rows), **options)


def epsilon_at_another_delta() -> Iterator[Replacement]:
    """Persons are shown epsilon at a delta of one in a thousand, which is smaller."""
    real = Person.epsilon

    def epsilon(self: Person, delta: float, *args: Any) -> float:
        return real(self, max(delta, LARGE_DELTA), *args)

    yield Person, "epsilon", epsilon


MUTANTS = mutants_of(a_retried_block_is_free, what_is_open_is_not_spent, epsilon_at_another_delta)
