"""Purchase cycles: on which of the shop's days a customer bought an item, and the days between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.errors import OrderingError
from recsys.features.pairs import group_pairs


@dataclass(frozen=True)
class Cycles:
    """The (customer, item) pairs with a purchase, and the gaps of each pair in compressed rows.

    customers: int64 [pairs]; items: int32 [pairs], ascending within a customer
    last:      int64 [pairs], Unix seconds of the latest purchase
    offsets:   int64 [pairs + 1]; the gaps of pair p are gaps[offsets[p] : offsets[p + 1]], oldest first
    gaps:      int64 [gaps], days between consecutive distinct days of purchase, at least 1
    """

    customers: NDArray[np.int64]
    items: NDArray[np.int32]
    last: NDArray[np.int64]
    offsets: NDArray[np.int64]
    gaps: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many gaps each pair has; int64 [pairs]."""
        return np.diff(self.offsets)

    @property
    def pairs(self) -> NDArray[np.int64]:
        """The pair of every gap; int64 [gaps]."""
        return np.repeat(np.arange(len(self.items)), self.counts)


def intervals(h: Histories) -> Cycles:
    """All purchase cycles of all customers; several purchases on one day are one.

    Raises OrderingError unless the data has timestamps: order numbers say nothing about days.
    """
    if h.ordering is not Ordering.TIMESTAMP:
        raise OrderingError(
            f"purchase intervals need timestamps, and this data is ordered by '{h.ordering}'; "
            "add a 'timestamp' column, or leave replenishment out"
        )
    bought = h.purchases()
    rows, days = bought.rows, bought.baskets()
    order, starts = group_pairs(rows, bought.items)
    first = order[starts]
    last = order[np.append(starts, len(order))[1:] - 1]
    gaps = np.diff(days[order], prepend=0)
    gaps[starts] = 0
    pair = np.zeros(len(order), np.int64)
    pair[starts[1:]] = 1
    pair = pair.cumsum()
    counts = np.bincount(pair[gaps > 0], minlength=len(starts))
    offsets = np.concatenate(([0], counts.cumsum()))
    return Cycles(rows[first], bought.items[first], bought.times[last], offsets, gaps[gaps > 0])
