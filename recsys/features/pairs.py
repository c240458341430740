"""Events grouped by (customer, item), and the bounded set of items that a customer stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import EventType, Histories
from recsys.errors import ConfigError

REMOVING = (EventType.RETURN.code, EventType.DISMISS.code)


@dataclass(frozen=True)
class ItemSets:
    """Distinct items of n customers in compressed rows, most recent first within each customer.

    offsets: int64 [n + 1]; items: int32 [total]
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many items each customer has; int64 [n]."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The customer position of every item; int64 [total]."""
        return np.repeat(np.arange(len(self)), self.lengths)


def group_pairs(
    rows: NDArray[np.int64], items: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order events by (customer, item), oldest first within a pair.

    rows: int64 [events], items: int32 [events], events oldest first within a customer.
    Returns `order` (int64 [events], positions of the events) and `starts` (int64 [pairs], where each pair
    begins in `order`).
    """
    if not len(items):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    key = rows * (int(items.max()) + 1) + items
    order = key.argsort(kind="stable")
    key = key[order]
    return order, np.concatenate(([0], (key[1:] != key[:-1]).nonzero()[0] + 1))


def recent_items(h: Histories, max_items: int) -> ItemSets:
    """The most recent `max_items` distinct purchased items of every customer: the bound on a contribution.

    Works without timestamps too; "recent" is then the order of the rows. Raises ConfigError if max_items < 1.
    """
    if max_items < 1:
        raise ConfigError(f"max_items is {max_items}; it must be at least 1")
    bought = h.purchases()
    rows = bought.rows
    order, starts = group_pairs(rows, bought.items)
    latest = np.zeros(len(order), bool)
    latest[order[np.append(starts, len(order))[1:] - 1]] = True
    last = latest.nonzero()[0][::-1]  # customers last to first, newest first within each
    counts = np.bincount(rows[last], minlength=len(h))
    slot = np.arange(len(last)) - np.repeat((np.cumsum(counts[::-1]) - counts[::-1]), counts[::-1])
    last = last[slot < max_items]
    last = last[rows[last].argsort(kind="stable")]
    offsets = np.concatenate(([0], np.minimum(counts, max_items).cumsum()))
    return ItemSets(offsets, bought.items[last])
