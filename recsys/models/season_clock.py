"""Published seasons in use: a clock for each category that runs faster where more of it is bought.

By this clock a pair is bought alike all year: gaps, the time since the latest purchase and the days ahead are
all measured by it, and the hazard of a day ahead is that day's factor times the hazard by the clock. Each
pair's clock is set so that it ran like the calendar's on average since the pair's first purchase, the more so
the more of the pair's own gaps there are (what is usual for an item holds for the whole year): a pair whose
whole past lies in high season is not expected sooner still, and one whose past lies in low season is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recsys.errors import BundleError
from recsys.features.rhythm import OWN_PRIOR, PACE_PRIOR, Rhythms
from recsys.models.season import MONTHS, month_of

DAYS_A_MONTH = 365.2425 / MONTHS
LEAST_FACTOR, MOST_FACTOR = 0.1, 10.0
CLEARLY_MORE = 1.25  # of the year's mean, for it to be told
NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

Floats = NDArray[np.float64]
Clock = Callable[[Rhythms], tuple[Rhythms, Floats]]
"""Pairs with their times by the clock, and days ahead by it; float64 [pairs, days ahead]."""


@dataclass(frozen=True, eq=False)
class Season:
    """How much more than usual each category is bought in the middle of each month, linear in between.

    factors: float64 [categories, MONTHS], mean 1 of each category; categories: int [n_items], of the items
    """

    factors: Floats
    categories: NDArray[np.integer]
    _gained: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.factors.ndim != 2 or self.factors.shape[1] != MONTHS or not np.isfinite(self.factors).all():
            raise BundleError(f"seasons have {MONTHS} finite factors a category; publish the model again")
        if not (self.factors > 0.0).all() or not np.allclose(self.factors.mean(axis=1), 1.0, atol=1e-6):
            raise BundleError("seasons' factors are above 0 and 1 on average; publish the model again")
        between = (self.factors + np.roll(self.factors, -1, axis=1)) / 2.0 - 1.0
        begin = np.zeros((len(self.factors), 1))
        object.__setattr__(self, "_gained", np.hstack([begin, between.cumsum(axis=1)[:, :-1]]))

    def clock(self, day: int, ahead: Floats) -> Clock:
        """The clock for pairs as known on a day (of the shop's, since 1970), and days ahead of it."""
        now, later = position(np.array([float(day)])), position(day + ahead)

        def tell(pairs: Rhythms) -> tuple[Rhythms, Floats]:
            own = self.categories[pairs.items]
            gained = self._days(own, now)
            elapsed = pairs.elapsed + gained - self._days(own, position(day - pairs.elapsed))
            age = pairs.age + gained - self._days(own, position(day - pairs.age))
            gaps = np.maximum(pairs.purchases - 1, 0)  # none: whatever stretch is, it counts 0
            span = np.maximum(pairs.age - pairs.elapsed, 1e-9)
            stretch = np.log(np.maximum((age - elapsed) / span, LEAST_FACTOR))
            lived = gaps / (gaps + PACE_PRIOR) * np.log(age / pairs.age)
            gap = pairs.gap + gaps / (gaps + OWN_PRIOR) * stretch - lived
            pace = np.exp(-lived)
            some, place = np.unique(own, return_inverse=True)  # few categories, many pairs
            days = ahead + self._days(some[:, None], later) - self._days(some[:, None], now)
            days = days[place] * pace[:, None]
            return replace(pairs, elapsed=elapsed * pace, age=age * pace, gap=gap), days

        return tell

    def factor(self, item: int, day: int) -> float:
        """How much more than on average over the year an item's category is bought around a day."""
        place = (float(position(np.array([float(day)]))[0]) - 0.5) % MONTHS
        own = self.factors[int(self.categories[item])]
        low, share = int(place), place % 1.0
        return float(own[low] * (1.0 - share) + own[(low + 1) % MONTHS] * share)

    def words(self, item: int, day: int) -> str | None:
        """That more of an item's category is usually bought in the month of a day, if it clearly is."""
        month = int(month_of(np.array([day]))[0])
        if self.factors[int(self.categories[item]), month] < CLEARLY_MORE:
            return None
        return f"usually bought more in {NAMES[month]}"

    def _days(self, categories: NDArray[np.integer], positions: Floats) -> Floats:
        """Days that a category's clock is ahead of the calendar's, up to a constant of the category."""
        place = (positions - 0.5) % MONTHS
        low = place.astype(np.int64) % MONTHS
        share = place - low
        here, following = self.factors[categories, low], self.factors[categories, (low + 1) % MONTHS]
        gained = self._gained[categories, low] + share * (here - 1.0) + share**2 / 2.0 * (following - here)
        return np.asarray(DAYS_A_MONTH * gained)


def position(days: Floats) -> Floats:
    """Where in the calendar days since 1970 lie, in months from the beginning of a year; in [0, MONTHS)."""
    month = np.floor(days).astype(np.int64).astype("M8[D]").astype("M8[M]")
    begin, end = (each.astype("M8[D]").astype(np.int64) for each in (month, month + 1))
    return np.asarray(month.astype(np.int64) % MONTHS + (days - begin) / (end - begin))
