"""What is known of every (customer, item) pair on a day, and when the pair was bought next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.features.cycles import intervals


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs with a purchase before a day, by customer and item.

    day:       the first day that is not known, in days since 1970 on the shop's clock
    customers: int64 [pairs]; items: int64 [pairs]
    elapsed:   float64 [pairs], days since the latest purchase, at least 1
    offsets:   int64 [pairs + 1]; gaps: float64 [gaps], days between purchases, oldest first
    """

    day: int
    n_items: int
    customers: NDArray[np.int64]
    items: NDArray[np.int64]
    elapsed: NDArray[np.float64]
    offsets: NDArray[np.int64]
    gaps: NDArray[np.float64]

    @classmethod
    def on(cls, h: Histories, day: int, n_items: int) -> Pairs:
        """All pairs that were bought before the day. Raises OrderingError without timestamps."""
        cycles = intervals(h.where(_days(h) < day))
        last = (cycles.last + h.utc_offset_seconds) // SECONDS_PER_DAY
        return cls(
            day,
            n_items,
            cycles.customers,
            cycles.items.astype(np.int64),
            (day - last).astype(np.float64),
            cycles.offsets,
            cycles.gaps.astype(np.float64),
        )

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """customer * n_items + item, ascending; int64 [pairs]."""
        return self.customers * self.n_items + self.items

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many gaps each pair has: purchases less one; int64 [pairs]."""
        return np.diff(self.offsets)

    @property
    def purchases(self) -> NDArray[np.int64]:
        """On how many days each pair was bought; int64 [pairs]."""
        return self.counts + 1

    @cached_property
    def gap_rows(self) -> NDArray[np.int64]:
        """The pair of every gap; int64 [gaps]."""
        return np.repeat(np.arange(len(self)), self.counts)

    @cached_property
    def span(self) -> NDArray[np.float64]:
        """Days between the first and the latest purchase; float64 [pairs]."""
        return np.bincount(self.gap_rows, self.gaps, minlength=len(self)).astype(np.float64)

    @cached_property
    def mean_gap(self) -> NDArray[np.float64]:
        """Mean days between purchases, NaN with one purchase; float64 [pairs]."""
        return np.where(self.counts > 0, self.span / np.maximum(self.counts, 1), np.nan)

    @cached_property
    def median_gap(self) -> NDArray[np.float64]:
        """Median days between purchases, NaN with one purchase; float64 [pairs]."""
        if not len(self.gaps):
            return np.full(len(self), np.nan)
        ordered = self.gaps[np.lexsort((self.gaps, self.gap_rows))]
        low = np.minimum(self.offsets[:-1] + np.maximum(self.counts - 1, 0) // 2, len(ordered) - 1)
        high = np.minimum(self.offsets[:-1] + self.counts // 2, len(ordered) - 1)
        return np.where(self.counts > 0, (ordered[low] + ordered[high]) / 2.0, np.nan)

    @cached_property
    def last_gap(self) -> NDArray[np.float64]:
        """Days between the latest two purchases, NaN with one purchase; float64 [pairs]."""
        if not len(self.gaps):
            return np.full(len(self), np.nan)
        return np.where(self.counts > 0, self.gaps[np.maximum(self.offsets[1:] - 1, 0)], np.nan)

    def next_purchase(self, h: Histories) -> NDArray[np.float64]:
        """Days from `day` to the next purchase of each pair, 0 for that very day, inf where there is none."""
        bought = h.purchases()
        days = _days(bought)
        later = days >= self.day
        keys = bought.rows[later] * self.n_items + bought.items[later]
        found, first = np.unique(keys, return_index=True)  # events of a customer are oldest first
        result = np.full(len(self), np.inf)
        if len(found):
            place = np.minimum(np.searchsorted(found, self.keys), len(found) - 1)
            hit = found[place] == self.keys
            result[hit] = days[later][first[place[hit]]] - self.day
        return result


def _days(h: Histories) -> NDArray[np.int64]:
    return (h.times + h.utc_offset_seconds) // SECONDS_PER_DAY
