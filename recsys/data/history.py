"""Customers' histories as columns: the one in-memory form that features, models and serving share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from recsys.errors import OrderingError

SECONDS_PER_DAY = 86_400


class Ordering(StrEnum):
    """What the order of a customer's events is known from."""

    TIMESTAMP = "timestamp"
    ORDER_NUMBER = "order_number"
    NONE = "none"


class EventType(StrEnum):
    """What a customer did. Codes in `Histories.events` are positions in this enumeration.

    EMPTY and EXPIRED are a device's signals that an item is used up or past its date, DECLINE is the
    customer's no to "order again?" or to a reminder: see `SIGNALS`.
    """

    VIEW = "view"
    CART = "cart"
    PURCHASE = "purchase"
    RETURN = "return"
    RATING = "rating"
    DISMISS = "dismiss"
    EMPTY = "empty"
    EXPIRED = "expired"
    DECLINE = "decline"

    @property
    def code(self) -> int:
        """The event's number in `Histories.events`."""
        return list(EventType).index(self)


SIGNALS = (EventType.EMPTY, EventType.EXPIRED, EventType.DECLINE)
"""Events that only reminders of the customer's own read: they train nothing and move no recommendation."""


@dataclass(frozen=True)
class Histories:
    """The events of n customers, customer by customer, oldest first within each (compressed rows).

    offsets:    int64 [n + 1]; the events of customer c are rows offsets[c] to offsets[c + 1]
    items:      int32 [events], positions in the vocabulary
    times:      int64 [events]; Unix seconds (UTC) for TIMESTAMP, order numbers for ORDER_NUMBER, 0 for NONE
    events:     int8 [events], `EventType.code`
    quantities: float32 [events], units bought
    ordering:   what `times` means
    utc_offset_seconds: the silo's clock against UTC, so that "a day" is the shop's day
    areas:      int16 [events], the store area of each (see `recsys.data.areas`); None: all in area 0
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    times: NDArray[np.int64]
    events: NDArray[np.int8]
    quantities: NDArray[np.float32]
    ordering: Ordering
    utc_offset_seconds: int = 0
    areas: NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """The customer position of every event; int64 [events]."""
        return np.arange(len(self)).repeat(self.offsets[1:] - self.offsets[:-1])

    def select(self, customers: NDArray[np.int64]) -> Histories:
        """The histories of some customers, in the order given."""
        lengths = np.diff(self.offsets)[customers]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][customers] - offsets[:-1], lengths)
        return self._take(index, offsets)

    def where(self, keep: NDArray[np.bool_]) -> Histories:
        """Only the events for which `keep` (bool [events]) holds; customers stay, perhaps empty."""
        if keep.all():
            return self
        kept = np.concatenate([[0], np.cumsum(keep)])
        return self._take(np.flatnonzero(keep), kept[self.offsets].astype(np.int64))

    def purchases(self) -> Histories:
        """Only the purchases."""
        return self.where(self.events == EventType.PURCHASE.code)

    def without_signals(self) -> Histories:
        """Only what recommendations and training may read: no `SIGNALS`."""
        return self.where(self.events < SIGNALS[0].code)

    def baskets(self) -> NDArray[np.int64]:
        """The basket number of every event: the shop's day, or the order number; int64 [events].

        Raises OrderingError where the data has no order.
        """
        if self.ordering is Ordering.NONE:
            raise OrderingError(
                "this data has no timestamps or order numbers, so baskets and sequence features are "
                "undefined; add a 'timestamp' or 'order_no' column, or train with features that need no order"
            )
        if self.ordering is Ordering.ORDER_NUMBER:
            return self.times
        return (self.times + self.utc_offset_seconds) // SECONDS_PER_DAY

    def _take(self, index: NDArray[np.int64], offsets: NDArray[np.int64]) -> Histories:
        return Histories(
            offsets,
            self.items[index],
            self.times[index],
            self.events[index],
            self.quantities[index],
            self.ordering,
            self.utc_offset_seconds,
            None if self.areas is None else self.areas[index],
        )
