"""How much each of a customer's items weighs in a popularity sum, before all are scaled to norm 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, Histories, Ordering
from recsys.features.pairs import ItemSets, group_pairs
from recsys.features.sequences import baskets_ago


@dataclass(frozen=True)
class Weighing:
    """Public constants. A purchase weighs

        (decay^a + f first_purchase) x s^-basket_power x 2^(-d / half_life)

    a: baskets ago; f: 1 if it is the first of its item in the customer's history as read, else 0; s: distinct
    items in its basket; d: days before the customer's latest purchase. An item weighs the most that one of
    its purchases does. With `first_purchase` the sum leans to what customers take up, which is what new items
    have to be ranked by: what is bought again and again is owned by most who will ever want it.

    decay: in (0, 1]; basket_power: 0 or more; first_purchase: 0 or more; half_life: days, above 0, of data
        with timestamps alone; None: days do not matter
    """

    decay: float = 1.0
    basket_power: float = 0.0
    first_purchase: float = 0.0
    half_life: float | None = None

    @property
    def even(self) -> bool:
        """Whether all items weigh the same."""
        return self.decay == 1.0 and not (self.basket_power or self.first_purchase or self.half_life)

    def of(self, h: Histories, sets: ItemSets) -> NDArray[np.float64]:
        """The weight of every item of `sets`, at most 1 and 1 for each customer's heaviest; float64 [total].

        sets: items that their customers bought. Without an order all weigh the same.
        """
        if self.even or h.ordering is Ordering.NONE or not len(sets.items):
            return np.ones(len(sets.items))
        bought = h.purchases()
        rows = bought.rows
        order, starts = group_pairs(rows, bought.items)
        heaviest = np.maximum.reduceat(self._logarithms(bought, rows, order[starts])[order], starts)
        size, firsts = int(bought.items.max()) + 1, order[starts]
        pairs = rows[firsts] * size + bought.items[firsts]
        weights = heaviest[pairs.searchsorted(sets.rows * size + sets.items)]
        peaks = np.full(len(sets), -np.inf)
        np.maximum.at(peaks, sets.rows, weights)
        return np.asarray(np.exp(weights - peaks[sets.rows]))

    def _logarithms(
        self, bought: Histories, rows: NDArray[np.int64], firsts: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The logarithm of every purchase's weight: as such, old items alone do not become nothing."""
        ago = baskets_ago(bought, rows)
        total = ago * math.log(self.decay)
        if self.first_purchase:
            total[firsts] = np.logaddexp(total[firsts], math.log(self.first_purchase))
        total -= self.basket_power * np.log(_basket_sizes(bought, rows, ago))
        if self.half_life and bought.ordering is Ordering.TIMESTAMP:
            latest = bought.times[bought.offsets[1:][rows] - 1]
            total -= math.log(2.0) / self.half_life * ((latest - bought.times) / SECONDS_PER_DAY)
        return np.asarray(total, np.float64)


EVEN = Weighing()
"""All of a customer's items weigh the same."""


def _basket_sizes(bought: Histories, rows: NDArray[np.int64], ago: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many distinct items the basket of each event holds; float64 [events]."""
    new = np.concatenate(([True], (rows[1:] != rows[:-1]) | (ago[1:] != ago[:-1])))
    basket = new.cumsum() - 1
    order, starts = group_pairs(basket, bought.items)
    sizes = np.bincount(basket[order[starts]])
    return np.asarray(sizes[basket], np.float64)
