"""How each (customer, item) pair is bought, as known on a day: counts, gaps, units, the customer's pace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.errors import OrderingError
from recsys.features.pairs import group_pairs

LATELY = 90  # days that count as lately
SOONEST = 0.5  # days: what was bought on the day itself
OWN_PRIOR, PACE_PRIOR = 2.0, 1.0  # gaps that the expected gap, and a usual pace, weigh as much as
SPREAD, SPREAD_PRIOR = 0.6, 2.0  # sd of the log gap where none is known, and how many gaps that weighs
UNITS_PRIOR = -0.5  # log odds that gaps go with units, before a pair's own gaps speak
LEAST_UNITS, MOST_RATIO = 1e-3, 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rhythms:
    """The pairs with a purchase. Days are the shop's days.

    customers: int64 [pairs]; items: int32 [pairs], ascending within a customer
    purchases: int64 [pairs], days of purchase; last: int64 [pairs], Unix seconds of the latest one
    elapsed: float64 [pairs], days since the latest purchase; age: days since the first one
    gap: float64 [pairs], log of the expected days between purchases, for the units bought last: the pair's
        own mean, shrunk to what is usual for the item at the customer's pace
    spread: float64 [pairs], standard deviation of the log gap, shrunk
    units: float64 [pairs], log of units bought last against units usually, as far as gaps go with units
    visits: float64 [pairs], days of purchase of the customer lately; since: days since the customer's first
    """

    customers: NDArray[np.int64]
    items: NDArray[np.int32]
    purchases: NDArray[np.int64]
    last: NDArray[np.int64]
    elapsed: Floats
    age: Floats
    gap: Floats
    spread: Floats
    units: Floats
    visits: Floats
    since: Floats

    def __len__(self) -> int:
        return len(self.items)

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Rhythms:
        """Only these pairs: bool [pairs], positions, or a slice."""
        return Rhythms(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def rhythms(h: Histories, day: int, usual: Floats) -> Rhythms:
    """What is known of every pair on a day; several purchases on one day are one.

    day: of the shop's clock, counted since 1970; what is dated later counts as bought on it
    usual: float64 [n_items], log of the days between purchases of each item that are usual (public)

    Each customer's rows depend on that customer's events alone. Raises OrderingError without timestamps.
    """
    if h.ordering is not Ordering.TIMESTAMP:
        raise OrderingError(
            f"rhythms need timestamps, and this data is ordered by '{h.ordering}'; add a 'timestamp' column"
        )
    bought = h.purchases()
    rows, days = bought.rows, np.minimum(bought.baskets(), day)
    order, starts = group_pairs(rows, bought.items)
    owner, on = rows[order], days[order]
    first = np.zeros(len(order), bool)
    first[starts] = True
    cell = np.flatnonzero(first | (np.diff(on, prepend=0) != 0))  # a pair's purchases of one day
    on, heads = on[cell], np.flatnonzero(first[cell])
    units = np.add.reduceat(bought.quantities[order].astype(np.float64), cell) if len(cell) else np.zeros(0)
    counts = np.diff(np.append(heads, len(cell)))
    tails = heads + counts - 1
    latest = order[np.append(starts, len(order))[1:] - 1]
    customers, items = owner[cell[heads]], bought.items[order[cell[heads]]]
    gaps = _Gaps.of(on, np.nan_to_num(units, posinf=0.0, neginf=0.0), heads, counts)
    prior = _at_own_pace(usual[items], gaps, customers, len(h))
    log_gap = (gaps.counts * gaps.mean(prior) + OWN_PRIOR * prior) / (gaps.counts + OWN_PRIOR)
    spread, ratio = gaps.spread_and_units(units[tails])
    visits, since = _customer(rows, days, day, len(h))
    return Rhythms(
        customers,
        items,
        counts,
        bought.times[latest],
        np.maximum(day - on[tails], SOONEST),
        np.maximum(day - on[heads], SOONEST),
        log_gap + ratio,
        spread,
        ratio,
        visits[customers],
        since[customers],
    )


@dataclass(frozen=True)
class _Gaps:
    """Sums over the gaps of each pair; float64 [pairs] each.

    span: days from first to latest purchase; bought: units bought before the latest purchase
    plain, by_unit: squared deviations of log gaps, and of log gaps for one unit
    """

    counts: Floats
    span: Floats
    bought: Floats
    plain: Floats
    by_unit: Floats

    @classmethod
    def of(
        cls, on: NDArray[np.int64], units: Floats, heads: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> _Gaps:
        n = len(heads)
        pair = np.repeat(np.arange(n), counts)
        inner = np.ones(len(on), bool)
        inner[heads] = False
        pair, at = pair[inner], np.flatnonzero(inner)
        days = (on[at] - on[at - 1]).astype(np.float64)
        before = np.maximum(units[at - 1], LEAST_UNITS)
        gaps = (counts - 1).astype(np.float64)

        def deviations(logs: Floats) -> Floats:
            mean = np.bincount(pair, logs, minlength=n) / np.maximum(gaps, 1.0)
            return np.bincount(pair, (logs - mean[pair]) ** 2, minlength=n).astype(np.float64)

        plain = np.log(np.maximum(days, 1.0))
        return cls(
            gaps,
            np.bincount(pair, days, minlength=n).astype(np.float64),
            np.bincount(pair, before, minlength=n).astype(np.float64),
            deviations(plain),
            deviations(plain - np.log(before)),
        )

    def mean(self, otherwise: Floats) -> Floats:
        """Log of the mean gap in days; of pairs bought once, what is given."""
        mean = np.log(np.maximum(self.span, SOONEST) / np.maximum(self.counts, 1.0))
        return np.asarray(np.where(self.counts > 0, mean, otherwise))

    def spread_and_units(self, latest: Floats) -> tuple[Floats, Floats]:
        """The shrunken spread, and the log ratio of the latest units times how far gaps go with units.

        How far: the posterior chance, between two log-normals with one prior for their variance.
        """
        known, prior = np.maximum(self.counts - 1.0, 0.0), SPREAD_PRIOR * SPREAD**2
        odds = UNITS_PRIOR + known / 2.0 * np.log((self.plain + prior) / (self.by_unit + prior))
        share = 1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0)))
        squares = share * self.by_unit + (1.0 - share) * self.plain
        usual = np.maximum(self.bought, LEAST_UNITS) / np.maximum(self.counts, 1.0)
        ratio = np.log(np.maximum(np.nan_to_num(latest, posinf=0.0), LEAST_UNITS) / usual)
        ratio = np.where(self.counts > 0, np.clip(ratio, -MOST_RATIO, MOST_RATIO), 0.0) * share
        return np.sqrt((squares + prior) / (known + SPREAD_PRIOR)), ratio


def _at_own_pace(usual: Floats, gaps: _Gaps, customers: NDArray[np.int64], n: int) -> Floats:
    """The usual log gap of each pair, moved by how the customer's gaps differ from what is usual."""
    weights = gaps.counts / (gaps.counts + 1.0)
    total = np.bincount(customers, weights * (gaps.mean(usual) - usual), minlength=n)
    pace = total / (np.bincount(customers, weights, minlength=n) + PACE_PRIOR)
    return np.asarray(usual + pace[customers])


def _customer(rows: NDArray[np.int64], days: NDArray[np.int64], day: int, n: int) -> tuple[Floats, Floats]:
    """Days of purchase lately, and days since the first one; float64 [customers] each."""
    new = (np.diff(rows, prepend=-1) != 0) | (np.diff(days, prepend=0) != 0)
    lately = np.bincount(rows[new & (days >= day - LATELY)], minlength=n)
    first = np.full(n, day, np.int64)
    np.minimum.at(first, rows[new], days[new])
    return lately.astype(np.float64), np.maximum(day - first, 1).astype(np.float64)
