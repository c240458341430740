"""In which months categories are bought: what one customer sends for it, bounded in size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, OrderingError
from recsys.privacy.clipping import WITHIN, on_grid

CLIP_NORM = 1.0
MONTHS = 12
MOST_YEARS = 5
CUSTOMERS_AT_ONCE = 20_000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """The whole years that count, back from a public day. Raises ConfigError for years below 1 or above 5.

    end: first of the shop's days that is not known, counted since 1970. A year before 29 February begins on
    1 March, so that each holds every day of the calendar once.
    """

    end: int
    years: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.years <= MOST_YEARS:
            raise ConfigError(f"season: years = {self.years}; give 1 to {MOST_YEARS} whole years")

    @property
    def starts(self) -> Ints:
        """The first day of every year, the oldest first, and the end; int64 [years + 1]."""
        date = np.datetime64(self.end, "D")
        month = date.astype("M8[M]")
        back = np.arange(self.years, -1, -1) * MONTHS
        return np.asarray(((month - back).astype("M8[D]") + (date - month.astype("M8[D]"))).astype(np.int64))

    def places(self, days: Ints) -> tuple[Ints, Ints]:
        """Year (0 is the oldest) and month of the calendar (0 is January) of days within the window."""
        return self.starts.searchsorted(days, side="right") - 1, month_of(days)


def month_of(days: Ints) -> Ints:
    """The calendar's month, 0 for January, of days since 1970; int64, of the same shape."""
    return np.asarray(days.astype("M8[D]").astype("M8[M]").astype(np.int64) % MONTHS)


def shape(catalogue: Catalogue, years: int) -> tuple[int, int, int]:
    """Of the released sum: years, categories, months; public."""
    return years, len(catalogue.category_codes[1]), MONTHS


def contribution(
    h: Histories, catalogue: Catalogue, window: Window, *, full_days: float = 36.0
) -> NDArray[np.float64]:
    """Sum over customers of the days on which each bought categories, by month; float64 [years, m, MONTHS].

    Only customers count who had bought something before the window: they were there in all its months alike,
    so that neither new customers nor a silo whose data begin late look like a season, and nothing has to be
    released to correct for them.

    full_days: a customer counts in full up to so many days of one category in one month (the sum of squares
        over categories and months); more are scaled down

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    Raises OrderingError unless the data has timestamps.
    """
    if h.ordering is not Ordering.TIMESTAMP:
        raise OrderingError(
            f"a season needs timestamps, and this data is ordered by '{h.ordering}'; "
            "add a 'timestamp' column, or leave it out"
        )
    sizes = shape(catalogue, window.years)
    total = np.zeros(int(np.prod(sizes)))
    for start in range(0, len(h), CUSTOMERS_AT_ONCE):
        few = h.select(np.arange(start, min(start + CUSTOMERS_AT_ONCE, len(h)))).purchases()
        total += _sum(few, catalogue, window, full_days)
    return total.reshape(sizes)


def _sum(bought: Histories, catalogue: Catalogue, window: Window, full_days: float) -> NDArray[np.float64]:
    """The bounded vectors of some customers, added up; float64 [cells]."""
    length = int(np.prod(shape(catalogue, window.years)))
    rows, days, starts = bought.rows, bought.baskets(), window.starts
    there = np.flatnonzero(np.diff(bought.offsets))
    first = np.full(len(bought), window.end)
    first[there] = days[bought.offsets[there]]
    counted = (days >= starts[0]) & (days < window.end) & (first[rows] < starts[0])
    categories, names = catalogue.category_codes
    groups = rows[counted] * len(names) + categories[bought.items[counted]]
    width = np.int64(window.end - starts[0])
    groups, since = np.divmod(np.unique(groups * width + days[counted] - starts[0]), width)
    owners, category = np.divmod(groups, len(names))
    year, month = window.places(since + starts[0])
    cells = (year * len(names) + category) * MONTHS + month
    keys, counts = np.unique(owners * length + cells, return_counts=True)
    owners, cells = np.divmod(keys, length)
    squares = np.bincount(owners, counts.astype(np.float64) ** 2, len(bought))
    scale = WITHIN * CLIP_NORM / np.sqrt(np.maximum(squares, full_days))
    return np.bincount(cells, on_grid(counts * scale[owners]), length).astype(np.float64)
