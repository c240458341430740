"""When a customer needs an item again: the customer's own rhythm, and the category's where that is thin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.data.vocab import Catalogue
from recsys.errors import BundleError
from recsys.features.cycles import Cycles, intervals
from recsys.metrics.normal import log_upper_tail
from recsys.models.intervals import (
    CLIP_NORM,
    UNINFORMED,
    CategoryGaps,
    consumables,
    contribution,
    fit,
    histogram_shape,
    log_gaps,
)

__all__ = [
    "CLIP_NORM",
    "HORIZONS",
    "CategoryGaps",
    "Due",
    "IntervalModel",
    "Needs",
    "contribution",
    "fit",
    "histogram_shape",
]

HORIZONS = (3, 7, 14, 30)
"""Days ahead that probabilities are given for."""

BETWEEN = 0.5  # share of a category's variance that lies between customers and items
Z80 = 1.2815515655446004  # 80 % of a normal lies within this many standard deviations
LAPSED = 3.0  # standard deviations overdue after which a habit counts as given up


@dataclass(frozen=True)
class Due:
    """One item's next need. Moments are Unix seconds.

    expected_at: median of the next purchase; low80, high80: its 80 % interval; remind_at: lead time earlier
    chances: by horizon in days, the probability of a purchase within it, given that there was none so far
    basis: what it rests on, in plain words
    """

    item: int
    expected_at: int
    low80: int
    high80: int
    remind_at: int
    chances: Mapping[int, float]
    basis: str


@dataclass(frozen=True)
class Needs:
    """The next needs of many customers, a row for each (customer, item) pair. Moments are Unix seconds.

    customers: int64 [pairs]; items: int32 [pairs], ascending within a customer
    purchases: int64 [pairs], on how many days the pair was bought; last: int64 [pairs], the latest purchase
    expected, low, high: int64 [pairs], median and 80 % interval of the next purchase
    chances: float64 [pairs, len(HORIZONS)], of a purchase within so many days from now
    """

    customers: NDArray[np.int64]
    items: NDArray[np.int32]
    purchases: NDArray[np.int64]
    last: NDArray[np.int64]
    expected: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    chances: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.items)

    def where(self, keep: NDArray[np.bool_]) -> Needs:
        """Only these pairs; bool [pairs]."""
        return Needs(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class IntervalModel:
    """Published gaps by category, on the public catalogue. `gaps` is None where none were published."""

    gaps: CategoryGaps | None
    catalogue: Catalogue

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], catalogue: Catalogue) -> IntervalModel:
        """From a bundle's arrays: `mean` and `variance`, or none. Raises BundleError if they do not fit."""
        if not arrays:
            return cls(None, catalogue)
        categories = len(catalogue.category_codes[1])
        for name in CategoryGaps._fields:
            if name not in arrays or arrays[name].shape != (categories,):
                raise BundleError(f"intervals have no '{name}' for {categories} categories; publish again")
        return cls(
            CategoryGaps(*(np.asarray(arrays[n], np.float64) for n in CategoryGaps._fields)), catalogue
        )

    def needs(self, h: Histories, now: int) -> Needs:
        """What all customers will need again: every pair of a customer and a consumable that was bought.

        The mean log gap is the customer's own, shrunk to the category's (normal with normal prior); the next
        gap is log-normal around it. Items with one purchase rest on the category alone, and are left out
        where no gaps were published; so are items overdue beyond any doubt (3 standard deviations). A
        purchase dated after `now` counts as made now.

        now: Unix seconds. Raises OrderingError without timestamps.
        """
        cycles = intervals(h)
        known = consumables(self.catalogue)[cycles.items]
        if self.gaps is None:
            known &= cycles.counts > 0
        mean, deviation = self._next_gap(cycles)
        elapsed = np.maximum(now - cycles.last, 0) / SECONDS_PER_DAY
        known &= _z(elapsed, mean, deviation) <= LAPSED
        expected, low, high = (_moment(cycles.last, mean, z * deviation) for z in (0.0, -Z80, Z80))
        chances = np.stack([_chance(elapsed, days, mean, deviation) for days in HORIZONS], axis=1)
        every = Needs(
            cycles.customers, cycles.items, cycles.counts + 1, cycles.last, expected, low, high, chances
        )
        return every.where(known)

    def predict(self, h: Histories, now: int, lead_days: float = 3.0) -> list[Due]:
        """What one customer will need again, soonest first; see `needs`.

        h: histories of exactly one customer; now: Unix seconds. Raises OrderingError without timestamps.
        """
        needs = self.needs(h, now)
        lead = round(lead_days * SECONDS_PER_DAY)
        return [
            Due(
                item=int(needs.items[p]),
                expected_at=int(needs.expected[p]),
                low80=int(needs.low[p]),
                high80=int(needs.high[p]),
                remind_at=int(needs.expected[p]) - lead,
                chances=dict(zip(HORIZONS, needs.chances[p].tolist(), strict=True)),
                basis=self._basis(int(needs.items[p]), int(needs.purchases[p])),
            )
            for p in np.lexsort((needs.items, needs.expected)).tolist()
        ]

    def _next_gap(self, cycles: Cycles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the logarithm of the next gap; float64 [pairs] each."""
        codes = self.catalogue.category_codes[0][cycles.items]
        if self.gaps is None:
            prior, variance = np.full(len(codes), UNINFORMED[0]), np.full(len(codes), UNINFORMED[1])
        else:
            prior, variance = self.gaps.mean[codes], self.gaps.variance[codes]
        within, between = (1.0 - BETWEEN) * variance, BETWEEN * variance
        total = np.bincount(cycles.pairs, log_gaps(cycles.gaps), minlength=len(codes))
        left = 1.0 / (1.0 / between + cycles.counts / within)
        mean = left * (prior / between + total / within)
        return mean, np.sqrt(left + within)

    def _basis(self, item: int, purchases: int) -> str:
        if purchases > 1:
            return f"your own {purchases} purchases"
        category = self.catalogue.categories[item]
        return f"typical for {category}" if category else "typical for such items"


def _z(
    days: NDArray[np.float64], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray((np.log(np.maximum(days, 1e-9)) - mean) / deviation)


def _moment(
    last: NDArray[np.int64], mean: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.int64]:
    """When exp(mean + offset) days have passed since the last purchase, Unix seconds."""
    after: NDArray[np.int64] = np.rint(np.exp(mean + offset) * SECONDS_PER_DAY).astype(np.int64)
    return last + after


def _chance(
    elapsed: NDArray[np.float64],
    days: float,
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
) -> NDArray[np.float64]:
    """P(gap <= elapsed + days | gap > elapsed)."""
    later = log_upper_tail(_z(elapsed + days, mean, deviation))
    return np.asarray(-np.expm1(later - log_upper_tail(_z(elapsed, mean, deviation))))
