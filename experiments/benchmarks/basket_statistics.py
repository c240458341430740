"""How concentrated, repetitive, personal and regular a shop's purchases are. Arrays in, floats out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_BASKETS = 5
LIST_LENGTH = 10
MIN_GAPS = 5
HABIT_BASKETS = 20


@dataclass(frozen=True)
class Purchases:
    """Distinct (customer, day, item) purchases, sorted in that order; int64 codes of equal length."""

    customer: NDArray[np.int64]
    day: NDArray[np.int64]
    item: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def distinct(
        cls, customer: NDArray[np.int64], day: NDArray[np.int64], item: NDArray[np.int64]
    ) -> Purchases:
        """From purchase lines in any order, with codes from 0 on."""
        days, items = int(day.max()) + 1, int(item.max()) + 1
        key = np.unique((customer.astype(np.int64) * days + day) * items + item)
        return cls(key // (days * items), key // items % days, key % items)

    @property
    def items(self) -> int:
        """One more than the largest item code."""
        return int(self.item.max()) + 1

    @property
    def pairs(self) -> NDArray[np.int64]:
        """One code for each (customer, item)."""
        return self.customer * self.items + self.item

    @property
    def first_of_basket(self) -> NDArray[np.bool_]:
        """Marks the first row of each basket: all that a customer bought on one day."""
        change = (np.diff(self.customer) != 0) | (np.diff(self.day) != 0)
        return np.concatenate([[True], change])

    def where(self, keep: NDArray[np.bool_]) -> Purchases:
        """Only the rows for which `keep` holds."""
        return Purchases(self.customer[keep], self.day[keep], self.item[keep])


@dataclass(frozen=True)
class LastBasket:
    """The last basket of each customer with at least MIN_BASKETS baskets, and all that went before.

    Customers with fewer baskets are in `train` whole.
    sizes: int64 [customers], rows of `target` by customer, 0 where not evaluated
    """

    train: Purchases
    target: Purchases
    sizes: NDArray[np.int64]


def popularity_gini(purchases: Purchases) -> float:
    """Gini coefficient of the number of purchases per item, over the items that sold."""
    counts = np.bincount(purchases.item)
    counts = np.sort(counts[counts > 0])
    n = len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ counts / (n * counts.sum()))


def repeat_share(purchases: Purchases) -> float:
    """Share of the purchases that are not the customer's first of that item."""
    return 1 - len(np.unique(purchases.pairs)) / len(purchases)


def split_last_basket(purchases: Purchases) -> LastBasket:
    """Take the last basket of every customer with enough of them as target."""
    customers = int(purchases.customer.max()) + 1
    baskets = np.bincount(purchases.customer[purchases.first_of_basket], minlength=customers)
    last = np.full(customers, -1)
    np.maximum.at(last, purchases.customer, purchases.day)
    evaluated = (baskets >= MIN_BASKETS)[purchases.customer]
    is_target = evaluated & (purchases.day == last[purchases.customer])
    target = purchases.where(is_target)
    return LastBasket(purchases.where(~is_target), target, np.bincount(target.customer, minlength=customers))


def mean_recall(split: LastBasket, hits: NDArray[np.bool_]) -> float:
    """Mean over the evaluated customers of hits / items in the basket; hits: bool, by row of the target."""
    found = np.bincount(split.target.customer, weights=hits, minlength=len(split.sizes))
    evaluated = split.sizes > 0
    return float((found[evaluated] / split.sizes[evaluated]).mean())


def global_recall(split: LastBasket) -> float:
    """Recall of the LIST_LENGTH items that are in most (customer, basket) pairs."""
    top = np.argsort(-np.bincount(split.train.item), kind="stable")[:LIST_LENGTH]
    return mean_recall(split, np.isin(split.target.item, top))


def personal_recall(split: LastBasket) -> float:
    """Recall of the customer's own LIST_LENGTH most frequent items; ties go to the latest."""
    train, items = split.train, max(split.train.items, split.target.items)
    pair, row, count = np.unique(train.customer * items + train.item, return_inverse=True, return_counts=True)
    latest = np.zeros(len(pair), np.int64)
    np.maximum.at(latest, row, train.day)
    order = np.lexsort((pair, -latest, -count, pair // items))
    owner = pair[order] // items
    rank = np.arange(len(order)) - np.searchsorted(owner, owner)
    top = pair[order][rank < LIST_LENGTH]
    return mean_recall(split, np.isin(split.target.customer * items + split.target.item, top))


def gap_variation(purchases: Purchases) -> float:
    """Median coefficient of variation of the days between purchases of one item by one customer.

    Over pairs with MIN_GAPS gaps or more; 1 is memoryless, 0 clockwork.
    """
    order = np.argsort(purchases.pairs, kind="stable")
    pair, day = purchases.pairs[order], purchases.day[order]
    again = np.diff(pair) == 0
    gap = np.diff(day)[again].astype(np.float64)
    row = np.unique(pair[1:][again], return_inverse=True)[1]
    count = np.bincount(row)
    mean = np.bincount(row, gap) / count
    square = np.bincount(row, (gap - mean[row]) ** 2)
    enough = count >= MIN_GAPS
    return float(np.median(np.sqrt(square[enough] / (count[enough] - 1)) / mean[enough]))


def weekday_habit(purchases: Purchases) -> float:
    """Mean share of a customer's baskets on the busiest weekday, with HABIT_BASKETS or more."""
    first = purchases.first_of_basket
    customer, weekday = purchases.customer[first], purchases.day[first] % 7
    table = np.zeros((int(customer.max()) + 1, 7))
    np.add.at(table, (customer, weekday), 1)
    table = table[table.sum(axis=1) >= HABIT_BASKETS]
    return float((table.max(axis=1) / table.sum(axis=1)).mean())
