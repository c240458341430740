"""The only way to noise: reserve in the silo's ledger, draw, hold what ran against the charge, release.

Guarantee: unit one customer, relation add or remove one. No noise is drawn and nothing is released before a
reservation for it is durable in the silo's own ledger; a reservation that is never committed counts as spent.
What sampler, clipper and noise counted of themselves is what the row was charged for, or the reservation is
void and nothing of it leaves. It assumes that the ledger file is not rolled back, and that releases are made
by `Reservation` alone, which nothing outside this module can construct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from recsys.errors import PlanError, VoidReleaseError
from recsys.privacy.ledger import Charge, Ledger, Receipt
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.tally import Assumed

_KEY = object()

Draw = Callable[[SecureNoise], NDArray[np.float32]]


@dataclass(frozen=True)
class Released:
    """A noised sum (float32 [n]) that may leave the silo, and the row of its reservation; made here only."""

    values: NDArray[np.float32]
    reservation: int
    _key: object = field(repr=False)

    def __post_init__(self) -> None:
        _check_key(self._key, "a released sum")


class Reserved(NamedTuple):
    """What a ledger row was charged for: so many releases of a mechanism under a plan, each as assumed."""

    mechanism: str
    steps: int
    plan_fingerprint: str
    assumed: Assumed


class Reservation:
    """Leave to make the releases that one ledger row has been charged for, and no more."""

    def __init__(self, ledger: Ledger, row: int, reserved: Reserved, used: int, key: object) -> None:
        _check_key(key, "a reservation")
        self._ledger, self.row, self._used, self._closed = ledger, row, used, False
        self.mechanism, self.steps, self.plan_fingerprint, self._assumed = reserved
        self._ran: dict[str, Any] = {}

    @property
    def used(self) -> int:
        """How many of its steps have been drawn."""
        return self._used

    def release(self, mechanism: str, draw: Draw) -> Released:
        """Draw one release with fresh noise.

        Raises PlanError if it was not reserved, and VoidReleaseError if what ran is not what was charged: the
        reservation is then void in the ledger (and spent all the same), and nothing leaves.
        """
        if self._closed or mechanism != self.mechanism:
            raise PlanError(f"no open reservation for '{mechanism}'; reserve in the ledger first")
        if self._used >= self.steps:
            raise PlanError(f"all {self.steps} reserved steps of '{mechanism}' are used; reserve again")
        # Counted before the draw: a draw that fails half-way has been paid for.
        self._used += 1
        noise = SecureNoise()
        values = draw(noise)
        if values.dtype != np.float32 or not np.isfinite(values).all():
            raise PlanError(f"the release of '{mechanism}' is not finite float32; it stays in the silo")
        try:
            self._ran = noise.tally.check(self._assumed, values.size)
        except PlanError as difference:
            self._void(str(difference))
        return Released(values, self.row, _KEY)

    def commit(self) -> None:
        """Close the reservation: what was drawn has been handed over. Steps not drawn stay charged."""
        self._closed = True
        self._ledger.commit(self.row, self._used, self._ran)

    def _void(self, reason: str) -> NoReturn:
        self._closed = True
        self._ledger.void(self.row, reason)
        raise VoidReleaseError(f"'{self.mechanism}', ledger row {self.row}: {reason}; it stays in the silo")

    def receipts(self) -> list[Receipt]:
        """What the coordinator's mirror is sent about this reservation so far."""
        receipts = self._ledger.receipts(after=self.row - 1)
        return [receipt for receipt in receipts if receipt.reservation == self.row]


def reserve(ledger: Ledger, charge: Charge) -> Reservation:
    """Charge the silo's ledger, durably, before any noise exists.

    Raises BudgetExceededError (cap) and LedgerError (not writable); then nothing was drawn or released.
    """
    assumed = Assumed(charge.event, charge.clip_norm)
    reserved = Reserved(charge.mechanism, charge.event.steps, charge.plan_fingerprint, assumed)
    return Reservation(ledger, ledger.reserve(charge), reserved, 0, _KEY)


def reopen(ledger: Ledger, row: int, used: int) -> Reservation:
    """The open reservation of an earlier message of the same block, of which `used` steps were drawn.

    Raises PlanError if the ledger has no such open reservation.
    """
    for found in ledger.open_reservations():
        if found.id == row and found.event is not None and found.clip_norm is not None:
            mechanism, plan = (str(found.details[name]) for name in ("mechanism", "plan_fingerprint"))
            assumed = Assumed(found.event, found.clip_norm)
            return Reservation(ledger, row, Reserved(mechanism, found.event.steps, plan, assumed), used, _KEY)
    raise PlanError(f"row {row} of the ledger is no open reservation; reserve again")


@contextmanager
def spending(ledger: Ledger, charge: Charge) -> Iterator[Reservation]:
    """Reserve, let the caller release, commit; after an error the reservation stays open: it is spent."""
    reservation = reserve(ledger, charge)
    yield reservation
    reservation.commit()


def _check_key(key: object, what: str) -> None:
    if key is not _KEY:
        raise PlanError(f"{what} can be made by training.spend alone")
