"""What a customer sends of the units bought, so that a silo's sales of every item and area can be foreseen.

One vector of five parts, each with a bound of its own, so that each is as fine as its noise allows: items
(units of every item, in the whole silo), groups (of every category, its leading items apart from the rest:
the bound on items cuts those who buy much, and they buy other categories and fewer leaders), areas (of
every department, by store area), weeks (units a week, lately: the level), and spread (how much the units of
a customer change from one period to the next: how sure a forecast can be). `recsys.models.demand_fit` makes
forecasts of the noised sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, OrderingError
from recsys.privacy.clipping import WITHIN, on_grid

CLIP_NORM = 1.0
DAYS = 7
PERIODS = (1, 2, 4)
"""Weeks of the horizons whose spread is learned, and which benchmarks judge."""

CUSTOMERS_AT_ONCE = 20_000
MOST_WEIGHT = 1e3
LEAST_UNITS, MOST_UNITS = 1e-6, 1e9
"""Between which units and bounds lie: squares of much smaller or larger numbers are 0 or infinite, and a norm
that is taken of them bounds nothing."""


class Split(NamedTuple):
    """What share of the squared norm each part of the vector gets; adds up to 1."""

    items: float = 0.82
    groups: float = 0.06
    areas: float = 0.04
    weeks: float = 0.06
    spread: float = 0.02


SPLIT = Split()


@dataclass(frozen=True)
class Bounds:
    """Public constants of a contribution.

    weeks: how far back purchases count; recent_weeks: of how many weeks totals are sent, one by one
    max_areas: how many store areas a silo can have besides the rest of it
    max_units: of one purchase
    items, groups, areas, level, spread: the norm up to which a customer's part counts in full, in units
    rareness: the power of an item's published popularity that its units are divided by before the norm is
        taken: rare items are known better for it, and what everybody buys takes up less of the bound
    """

    weeks: int = 26
    recent_weeks: int = 8
    max_areas: int = 8
    max_units: float = 50.0
    items: float = 30.0
    groups: float = 60.0
    areas: float = 80.0
    level: float = 120.0
    spread: float = 100.0
    rareness: float = 1.0 / 3.0

    def __post_init__(self) -> None:
        if self.weeks < 2 * max(PERIODS) or not 1 <= self.recent_weeks <= self.weeks:
            raise ConfigError(
                f"demand: weeks = {self.weeks}, recent_weeks = {self.recent_weeks}; give at least "
                f"{2 * max(PERIODS)} weeks, and as many recent ones or fewer"
            )
        for name in ("max_units", "items", "groups", "areas", "level", "spread"):
            if not LEAST_UNITS <= getattr(self, name) <= MOST_UNITS:
                raise ConfigError(
                    f"demand: {name} = {getattr(self, name):g}; give {LEAST_UNITS:g} to {MOST_UNITS:g} units"
                )


@dataclass(frozen=True, eq=False)
class Scope:
    """What the vector stands for: the same in every silo, made of public and published numbers.

    weights: float64 [n_items], what an item's units are multiplied with
    categories, groups, departments: int64 [n_items], numbers of each; a category's leading items are one
    group, its others another. There is a place for both, whatever is popular, so that the vector's length is
    known before popularity is
    end: the day number (in the shop's days) up to which the data are complete, itself excluded
    """

    bounds: Bounds
    weights: NDArray[np.float64]
    categories: NDArray[np.int64]
    groups: NDArray[np.int64]
    departments: NDArray[np.int64]
    end: int

    @classmethod
    def of(cls, catalogue: Catalogue, popularity: NDArray[np.float64], bounds: Bounds, end: int) -> Scope:
        """From the catalogue and published popularity (float64 [n_items], positive)."""
        logs = np.log(popularity)
        weights = np.clip(np.exp(-bounds.rareness * (logs - logs.mean())), 1.0 / MOST_WEIGHT, MOST_WEIGHT)
        categories = catalogue.category_codes[0].astype(np.int64)
        departments = catalogue.department_codes[0].astype(np.int64)
        return cls(bounds, weights, categories, _led(categories, popularity), departments, end)

    @property
    def slots(self) -> int:
        """Places for areas in the vector: the rest of the silo, and as many areas as there can be."""
        return self.bounds.max_areas + 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """Coordinates of each part."""
        return (
            len(self.weights),
            2 * (int(self.categories.max()) + 1),
            (int(self.departments.max()) + 1) * self.slots,
            self.bounds.recent_weeks,
            2 * len(PERIODS),
        )

    @property
    def length(self) -> int:
        """Coordinates of the vector."""
        return sum(self.lengths)


def _led(categories: NDArray[np.int64], popularity: NDArray[np.float64]) -> NDArray[np.int64]:
    """Group numbers: every category's leading items, the most popular that reach half of it, and the rest."""
    order = np.lexsort((-popularity, categories))
    before = np.cumsum(popularity[order]) - popularity[order]
    starts = np.searchsorted(categories[order], np.arange(int(categories.max()) + 1))
    own = categories[order]
    behind = before - before[starts[own]] >= 0.5 * np.bincount(categories, popularity)[own]
    groups = np.empty_like(categories)
    groups[order] = 2 * own + behind
    return groups


def contribution(h: Histories, scope: Scope) -> NDArray[np.float64]:
    """Sum over customers of each one's bounded vector; float64 [scope.length].

    Purchases count, from `weeks` weeks before `end` on, up to `max_units` units each; what has negative or
    no units counts as none. A part of a customer counts in full up to its bound, and is scaled down to it
    beyond.

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    Raises OrderingError unless the data has timestamps, ConfigError for an area without a slot.
    """
    if h.ordering is not Ordering.TIMESTAMP:
        raise OrderingError("demand is counted by weeks, but this data has no timestamps; leave demand out")
    total = [np.zeros(length) for length in scope.lengths]
    for bought in _chunks(h, scope):
        for sums, part in zip(total, _parts(bought, scope), strict=True):
            sums += part
    return np.concatenate(total)


class _Bought(NamedTuple):
    """Purchases within the window. customers: int64, ascending; ago: full weeks between them and the end."""

    customers: NDArray[np.int64]
    items: NDArray[np.int64]
    areas: NDArray[np.int64]
    ago: NDArray[np.int64]
    units: NDArray[np.float64]


def _chunks(h: Histories, scope: Scope) -> Iterator[_Bought]:
    """Some customers at a time: what is sorted for them stays small."""
    bounds = scope.bounds
    for first in range(0, len(h), CUSTOMERS_AT_ONCE):
        some = h.select(np.arange(first, min(first + CUSTOMERS_AT_ONCE, len(h)))).purchases()
        ago = (scope.end - 1 - some.baskets()) // DAYS
        units = np.clip(np.nan_to_num(some.quantities.astype(np.float64), nan=0.0), 0.0, bounds.max_units)
        kept = (ago >= 0) & (ago < bounds.weeks) & (units > 0.0)
        areas = np.zeros(len(kept), np.int64) if some.areas is None else some.areas.astype(np.int64)
        if len(areas) and int(areas.max()) >= scope.slots:
            raise ConfigError(f"demand: more than max_areas = {bounds.max_areas} store areas; raise it")
        items = some.items.astype(np.int64)
        yield _Bought(some.rows[kept], items[kept], areas[kept], ago[kept], units[kept])


def _parts(bought: _Bought, scope: Scope) -> Iterator[NDArray[np.float64]]:
    bounds, (n_items, n_groups, n_areas, n_weeks, n_spread) = scope.bounds, scope.lengths
    weights = bought.units * scope.weights[bought.items]
    yield _part(bought.customers, bought.items, weights, n_items, bounds.items, SPLIT.items)
    groups = scope.groups[bought.items]
    yield _part(bought.customers, groups, bought.units, n_groups, bounds.groups, SPLIT.groups)
    areas = scope.departments[bought.items] * scope.slots + bought.areas
    yield _part(bought.customers, areas, bought.units, n_areas, bounds.areas, SPLIT.areas)
    lately = bought.ago < bounds.recent_weeks
    who, weeks, units = bought.customers[lately], bought.ago[lately], bought.units[lately]
    yield _part(who, weeks, units, n_weeks, bounds.level, SPLIT.weeks)
    who, cells, values = _spread(bought, n_items)
    yield _part(who, cells, values, n_spread, bounds.spread, SPLIT.spread)


def _spread(
    bought: _Bought, n_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Half the squared differences between an item's units in the last two periods, and their mean.

    The former is what the variance of the next period's units adds up from, over customers who buy on their
    own; over the latter it says how many times as much as by a Poisson law.
    """
    customers, cells, values = [], [], []
    for number, weeks in enumerate(PERIODS):
        near = bought.ago < 2 * weeks
        pairs, place = np.unique(bought.customers[near] * n_items + bought.items[near], return_inverse=True)
        sign = np.where(bought.ago[near] < weeks, 1.0, -1.0)
        change = np.bincount(place, sign * bought.units[near], minlength=len(pairs))
        units = np.bincount(place, bought.units[near], minlength=len(pairs))
        for cell, found in ((2 * number, 0.5 * change**2), (2 * number + 1, 0.5 * units)):
            customers.append(pairs // n_items)
            cells.append(np.full(len(pairs), cell))
            values.append(found)
    return np.concatenate(customers), np.concatenate(cells), np.concatenate(values)


def _part(
    customers: NDArray[np.int64],
    cells: NDArray[np.int64],
    values: NDArray[np.float64],
    length: int,
    bound: float,
    share: float,
) -> NDArray[np.float64]:
    """Sum over customers of their summed values in cells, over `bound`, at most of norm sqrt(share)."""
    if not len(values):
        return np.zeros(length)
    keys, place = np.unique(customers * length + cells, return_inverse=True)
    own, sums = keys // length, np.bincount(place, values)
    norms = np.sqrt(np.bincount(own, sums**2))
    scale = np.sqrt(share) * WITHIN * CLIP_NORM / np.maximum(norms, bound)
    return np.bincount(keys % length, on_grid(sums * scale[own]), minlength=length).astype(np.float64)
