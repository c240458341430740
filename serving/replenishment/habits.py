"""Weekly habits ("most Fridays"): a weekday on which a customer buys an item more often than by chance."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from serving.replenishment.calendar import weekdays

NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LEAST_DAYS, LATEST_DAYS, MOST, CHANCE = 4, 26, 0.5, 0.05


@dataclass(frozen=True)
class Habit:
    """One weekday. weekday: Monday 0; share: of the purchase days that were looked at; days: how many."""

    weekday: int
    share: float
    days: int

    @property
    def name(self) -> str:
        """The weekday's English name."""
        return NAMES[self.weekday]


def weekly_habit(days: NDArray[np.int32]) -> Habit | None:
    """The habit in the days (since 1970, local) of one customer's purchases of one item; None without one.

    Looks at the latest 26 distinct days, at least 4. The weekday must have more than half of them, and more
    than chance explains: P(Binomial(days, 1/7) >= count) times the seven weekdays is at most 5 %.
    """
    distinct = np.unique(days)[-LATEST_DAYS:]
    if len(distinct) < LEAST_DAYS:
        return None
    counts = np.bincount(weekdays(distinct), minlength=7)
    weekday, total = int(counts.argmax()), len(distinct)
    count = int(counts[weekday])
    if count <= MOST * total or 7 * _tail(count, total) > CHANCE:
        return None
    return Habit(weekday, count / total, total)


def _tail(count: int, total: int) -> float:
    """P(Binomial(total, 1/7) >= count)."""
    ways: int = sum(comb(total, k) * 6 ** (total - k) for k in range(count, total + 1))
    return float(ways / 7**total)
