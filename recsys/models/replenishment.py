"""When a customer needs an item again: the customer's own rhythm, and the category's where that is thin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.data.vocab import Catalogue
from recsys.errors import BundleError
from recsys.features.cycles import intervals
from recsys.features.rhythm import rhythms
from recsys.models import hazard, log_normal
from recsys.models.intervals import (
    CLIP_NORM,
    CategoryGaps,
    consumables,
    contribution,
    fit,
    histogram_shape,
    usual_gaps,
)
from recsys.models.season import MONTHS
from recsys.models.season_clock import Season

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
    "usual_gaps",
]

HORIZONS = (3, 7, 14, 30)
"""Days ahead that probabilities are given for."""

SHARES = (0.1, 0.5, 0.9)  # the ends and the middle of an 80 % interval


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


class Learned(NamedTuple):
    """Published parameters of the hazard of buying again, and what popularity says of each item.

    hazard: float64 [parameters]; appeals: float64 [n_items]; see `recsys.models.hazard`
    """

    hazard: NDArray[np.float64]
    appeals: NDArray[np.float64]


@dataclass(frozen=True)
class IntervalModel:
    """What was published of gaps, buying again, seasons, on the public catalogue; None where nothing was."""

    gaps: CategoryGaps | None
    catalogue: Catalogue
    learned: Learned | None = None
    season: Season | None = None

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], catalogue: Catalogue) -> IntervalModel:
        """From a bundle's arrays: `mean` and `variance`, `hazard` and `appeals`, either pair, or none.

        `season` may stand beside a hazard, which it moves. Raises BundleError if they do not fit.
        """
        categories = len(catalogue.category_codes[1])
        shapes = {"hazard": (hazard.DIMENSIONS,), "appeals": (len(catalogue),)}
        learned = Learned(*_read(arrays, shapes)) if "hazard" in arrays else None
        season = None
        if learned and "season" in arrays:
            factors = _read(arrays, {"season": (categories, MONTHS)})[0]
            season = Season(factors, catalogue.category_codes[0])
        if "mean" not in arrays and (learned or not arrays):
            return cls(None, catalogue, learned, season)
        gaps = CategoryGaps(*_read(arrays, dict.fromkeys(CategoryGaps._fields, (categories,))))
        return cls(gaps, catalogue, learned, season)

    def needs(self, h: Histories, now: int) -> Needs:
        """What all customers will need again: every pair of a customer and a consumable that was bought.

        By the learned hazard of buying again (`recsys.models.hazard`) where one was published, else by
        log-normal gaps (`recsys.models.log_normal`), which leave out what is overdue beyond any doubt. Items
        with one purchase rest on what is usual for the category, and are left out where no gaps were
        published. A purchase dated after `now` counts as made now.

        now: Unix seconds. Raises OrderingError without timestamps.
        """
        every = self._log_normal(h, now) if self.learned is None else self._hazard(h, now, self.learned)
        known = consumables(self.catalogue)[every.items]
        if self.gaps is None:
            known &= every.purchases > 1
        return every.where(known)

    def _hazard(self, h: Histories, now: int, learned: Learned) -> Needs:
        day = (now + h.utc_offset_seconds) // SECONDS_PER_DAY
        pairs = rhythms(h, day, usual_gaps(self.gaps._asdict() if self.gaps else {}, self.catalogue))
        clock = self.season.clock(day, hazard.EDGES) if self.season else None
        chances, days = hazard.outlook(pairs, learned.appeals, learned.hazard, HORIZONS, SHARES, clock)
        low, expected, high = now + np.rint(days * SECONDS_PER_DAY).astype(np.int64).T
        return Needs(pairs.customers, pairs.items, pairs.purchases, pairs.last, expected, low, high, chances)

    def _log_normal(self, h: Histories, now: int) -> Needs:
        cycles = intervals(h)
        gap = log_normal.next_gap(cycles, self.gaps, self.catalogue)
        elapsed = np.maximum(now - cycles.last, 0) / SECONDS_PER_DAY
        low, expected, high = (cycles.last + log_normal.seconds(gap, share) for share in SHARES)
        chances = np.stack([log_normal.chance(elapsed, days, gap) for days in HORIZONS], axis=1)
        every = Needs(
            cycles.customers, cycles.items, cycles.counts + 1, cycles.last, expected, low, high, chances
        )
        return every.where(~log_normal.lapsed(elapsed, gap))

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

    def _basis(self, item: int, purchases: int) -> str:
        if purchases > 1:
            return f"your own {purchases} purchases"
        category = self.catalogue.categories[item]
        return f"typical for {category}" if category else "typical for such items"


def _read(
    arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]
) -> list[NDArray[np.float64]]:
    """Arrays by name. Raises BundleError for one that is missing, of another shape or not finite."""
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise BundleError(f"intervals have no '{name}' of shape {shape}; publish the model again")
    return [np.asarray(arrays[name], np.float64) for name in shapes]
