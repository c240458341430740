"""In what order a list names what is due: first what the customer's next basket is likeliest to hold.

A chance within some days says when a customer comes as much as what is bought then, and coming is the same
for all of the customer's items. What tells them apart is how often a basket held the item, lately above all,
whether it is due, how many units of it the customer takes, and what sells. So a pair's score is

    frequency * (cumulative hazard)**HAZARD * popularity**POPULARITY * units**UNITS

frequency: sum over the customer's baskets with the item of DECAY**(baskets ago) / size**SMALL_BASKETS, as a
    small basket says more of each of its items
cumulative hazard: -log(1 - chance within the days that are asked about)
popularity: the published one, from a noised and charged release; units: geometric mean a basket, against
    the customer's other items

Nothing is learned here: the constants are public, and were chosen on days before the cut-offs of benchmarks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.features.pairs import group_pairs
from recsys.features.sequences import baskets_ago
from recsys.recommend.due import NO_SIGNAL, DueItems

DECAY, SMALL_BASKETS = 0.95, 0.25
OLDEST = 1000.0  # baskets ago: beyond, all are alike
HAZARD, POPULARITY, UNITS = 0.2, 0.35, 0.12
LEAST_CHANCE, LEAST_UNITS, MOST_UNITS = 1e-9, 1e-3, 1e6

Floats = NDArray[np.float64]


def list_scores(found: DueItems, h: Histories, log_popularity: NDArray[Any], days: float) -> Floats:
    """The log of each pair's score, higher first; infinite where a device asks for it; float64 [pairs].

    found: of these histories; log_popularity: float [n_items], published; days: that are asked about. A
    customer's scores depend on that customer's events and on what is published alone.
    Raises OrderingError for data without order.
    """
    needs = found.needs
    frequency, units = _own(h, needs.customers, needs.items)
    chance = np.clip(found.chance(days), LEAST_CHANCE, 1.0 - LEAST_CHANCE)
    scores = frequency + HAZARD * np.log(-np.log1p(-chance)) + UNITS * units
    scores += POPULARITY * log_popularity[needs.items].astype(np.float64)
    return np.asarray(np.where(found.signal == NO_SIGNAL, scores, np.inf), np.float64)


def places(customers: NDArray[np.int64], scores: Floats) -> NDArray[np.int64]:
    """Each pair's place in its customer's list, from 1, ties by position; int64 [pairs]."""
    order = np.lexsort((-scores, customers))
    owner = customers[order]
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order)) - np.searchsorted(owner, owner) + 1
    return found


def _own(h: Histories, customers: NDArray[np.int64], items: NDArray[np.int32]) -> tuple[Floats, Floats]:
    """Log frequency and log units of such pairs (0 for a pair that was never bought); float64 [pairs]."""
    bought = h.purchases()
    if not len(bought.items):
        return np.zeros(len(items)), np.zeros(len(items))
    rows, ago = bought.rows, baskets_ago(bought, bought.rows)
    new = np.concatenate(([True], (np.diff(rows) != 0) | (np.diff(ago) != 0)))
    order, starts = group_pairs(new.cumsum() - 1, bought.items)  # the same item twice in a basket is one
    first = order[starts]
    basket = (new.cumsum() - 1)[first]
    weights = DECAY ** np.minimum(ago[first], OLDEST) * np.bincount(basket)[basket] ** -SMALL_BASKETS
    taken = np.add.reduceat(bought.quantities[order].astype(np.float64), starts)
    logs = np.log(np.clip(np.nan_to_num(taken), LEAST_UNITS, MOST_UNITS))

    size = max(int(bought.items.max()), int(items.max(initial=0))) + 1
    keys, pair = np.unique(rows[first] * size + bought.items[first], return_inverse=True)
    n = np.bincount(pair)
    frequency, units = np.log(np.bincount(pair, weights)), np.bincount(pair, logs) / n
    owner = keys // size
    usual = np.bincount(owner, units) / np.maximum(np.bincount(owner), 1)
    wanted = customers * size + items
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[place] == wanted
    return np.where(known, frequency[place], 0.0), np.where(known, units[place] - usual[owner[place]], 0.0)
