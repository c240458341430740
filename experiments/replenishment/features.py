"""Exact features of pairs on a day, for non-private boosted trees: our model's own, and those and more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.pairs import Pairs
from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.features.rhythm import Rhythms, rhythms

WINDOWS = (14, 30, 90)
UNKNOWN_LOG_GAP, GAPS_PRIOR = np.log(30.0), 5.0
Columns = dict[str, NDArray[Any]]


def pair_features(h: Histories, pairs: Pairs) -> NDArray[np.float64]:
    """The features of every pair, from purchases before its day alone; float64 [pairs, features]."""
    columns = {**_own(pairs), **_rhythm(h, pairs), **_units(h, pairs), **_windows(h, pairs)}
    return np.stack(list(columns.values()), axis=1)


def model_features(h: Histories, pairs: Pairs) -> NDArray[np.float64]:
    """What our own model reads of every pair, with exact statistics of items where it has noised ones.

    float64 [pairs, features]
    """
    known, _ = _known(h, pairs)
    buyers = np.bincount(pairs.items, minlength=pairs.n_items)[pairs.items].astype(np.float64)
    since = np.log(known.elapsed) - known.gap
    columns = (
        known.purchases.astype(np.float64),
        known.elapsed,
        known.age,
        known.gap,
        known.spread,
        known.units,
        known.visits,
        known.since,
        since,
        since / known.spread,
        buyers,
    )
    return np.stack(columns, axis=1)


def _own(pairs: Pairs) -> Columns:
    mean, counts = pairs.mean_gap, pairs.counts
    logs = np.log(pairs.gaps)
    first = np.bincount(pairs.gap_rows, logs, minlength=len(pairs)) / np.maximum(counts, 1)
    second = np.bincount(pairs.gap_rows, logs**2, minlength=len(pairs)) / np.maximum(counts, 1)
    spread = np.sqrt(np.maximum(second - first**2, 0.0))
    return {
        "elapsed": pairs.elapsed,
        "mean gap": mean,
        "elapsed over mean": pairs.elapsed / mean,
        "elapsed over median": pairs.elapsed / pairs.median_gap,
        "elapsed over last": pairs.elapsed / pairs.last_gap,
        "median gap": pairs.median_gap,
        "last gap": pairs.last_gap,
        "purchases": counts + 1.0,
        "rate": (counts + 1.0) / (pairs.span + pairs.elapsed),
        "spread": np.where(counts > 1, spread, np.nan),
        "since first": pairs.span + pairs.elapsed,
    }


def _rhythm(h: Histories, pairs: Pairs) -> Columns:
    """What our own model knows of a pair, with exact gaps of items where it has noised ones."""
    known, usual = _known(h, pairs)
    since = np.log(known.elapsed) - known.gap
    return {
        "expected gap": known.gap,
        "expected spread": known.spread,
        "expected units": known.units,
        "elapsed over expected": since,
        "elapsed in spreads": since / known.spread,
        "usual gap": usual[pairs.items],
    }


def _known(h: Histories, pairs: Pairs) -> tuple[Rhythms, NDArray[np.float64]]:
    """The pairs' rhythms, and the usual log gap of every item, shrunk to that of all."""
    days = (h.times + h.utc_offset_seconds) // SECONDS_PER_DAY
    logs, of_gap = np.log(pairs.gaps), pairs.items[pairs.gap_rows]
    overall = float(logs.mean()) if len(logs) else UNKNOWN_LOG_GAP
    total = np.bincount(of_gap, logs, minlength=pairs.n_items) + GAPS_PRIOR * overall
    usual = total / (np.bincount(of_gap, minlength=pairs.n_items) + GAPS_PRIOR)
    return rhythms(h.where(days < pairs.day), pairs.day, usual), usual


def _units(h: Histories, pairs: Pairs) -> Columns:
    """Units bought last and before, and how long one of them lasted."""
    bought = h.purchases()
    days = (bought.times + h.utc_offset_seconds) // SECONDS_PER_DAY
    past = days < pairs.day
    position = np.searchsorted(pairs.keys, bought.rows[past] * pairs.n_items + bought.items[past])
    units, since = np.maximum(bought.quantities[past], 1e-3), pairs.day - days[past]
    latest = since == pairs.elapsed[position]
    last = np.bincount(position[latest], units[latest], minlength=len(pairs))
    before = np.bincount(position[~latest], units[~latest], minlength=len(pairs))
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = np.where(pairs.counts > 0, before / pairs.counts, np.nan)
        lasting = np.where(pairs.counts > 0, pairs.span / before, np.nan)
    return {
        "units": last,
        "units over usual": last / usual,
        "days a unit": lasting,
        "elapsed over lasting": pairs.elapsed / (lasting * last),
    }


def _windows(h: Histories, pairs: Pairs) -> Columns:
    """What customer and item did lately and in all."""
    bought = h.purchases()
    days = (bought.times + h.utc_offset_seconds) // SECONDS_PER_DAY
    past = days < pairs.day
    rows, items, days = bought.rows[past], bought.items[past].astype(np.int64), days[past]
    width = int(days.max(initial=0)) + 2
    visits, weight = np.unique(rows * width + days, return_counts=True)
    visitor, day = visits // width, visits % width
    events = np.unique((rows * pairs.n_items + items) * width + days)
    key, event_day = events // width, events % width
    position, item = np.searchsorted(pairs.keys, key), key % pairs.n_items
    n = len(h)

    def of_customer(values: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(values, minlength=n)[pairs.customers].astype(np.float64)

    def of_item(values: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(values, minlength=pairs.n_items)[pairs.items].astype(np.float64)

    last = np.zeros(n, np.int64)
    np.maximum.at(last, visitor, day)
    first = np.full(n, pairs.day, np.int64)
    np.minimum.at(first, visitor, day)
    sizes = np.bincount(visitor, weight, minlength=n)
    latest = pairs.day - pairs.elapsed.astype(np.int64)
    upto = np.searchsorted(visits, pairs.customers * width + pairs.day)
    columns = {
        "visits": of_customer(visitor),
        "since last visit": (pairs.day - last[pairs.customers]).astype(np.float64),
        "since first visit": (pairs.day - first[pairs.customers]).astype(np.float64),
        "items of customer": of_customer(pairs.customers),
        "basket size": 1.0 * sizes[pairs.customers] / np.maximum(of_customer(visitor), 1.0),
        "visits since": (upto - np.searchsorted(visits, pairs.customers * width + latest, "right")) * 1.0,
        "visits since first": (
            upto - np.searchsorted(visits, pairs.customers * width + latest - pairs.span.astype(np.int64))
        )
        * 1.0,
        "customers of item": of_item(pairs.items),
        "repeat share": of_item(pairs.items[pairs.counts > 0]) / np.maximum(of_item(pairs.items), 1.0),
    }
    columns["share of visits"] = (pairs.counts + 1.0) / np.maximum(columns["visits since first"], 1.0)
    for days_back in WINDOWS:
        since = pairs.day - days_back
        columns[f"visits {days_back}"] = of_customer(visitor[day >= since])
        recent = np.bincount(position[event_day >= since], minlength=len(pairs))
        columns[f"purchases {days_back}"] = recent.astype(np.float64)
        columns[f"item {days_back}"] = of_item(item[event_day >= since])
    columns["item trend"] = (1.0 + columns["item 30"]) / (1.0 + columns["item 90"])
    return columns
