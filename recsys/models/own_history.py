"""The customer's own repeat purchases: costs no privacy, as it is used for that customer alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.features.pairs import REMOVING, group_pairs
from recsys.features.sequences import baskets_ago


@dataclass(frozen=True)
class OwnScores:
    """Scores of n customers' own items in compressed rows, items ascending within a customer.

    offsets: int64 [n + 1]; items: int32 [total]; scores: float64 [total], above 0
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, customer: int) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Items and scores of one customer position."""
        rows = slice(self.offsets[customer], self.offsets[customer + 1])
        return self.items[rows], self.scores[rows]


def repeat_scores(h: Histories, decay: float = 0.9) -> OwnScores:
    """score(item) = sum over the customer's baskets with the item of decay**(baskets ago).

    A decayed frequency in the spirit of TIFU-KNN's personal component (Hu et al. 2020) without its groups.
    Only purchases count; an item whose latest event is a return or a dismissal is left out.
    Raises OrderingError for data without order.
    """
    bought = h.purchases()
    rows = bought.rows
    ago = baskets_ago(bought, rows)
    order, starts = group_pairs(rows, bought.items)
    if not len(order):
        return OwnScores(np.zeros(len(h) + 1, np.int64), bought.items, np.zeros(0))
    ago, firsts = ago[order], order[starts]
    once = np.concatenate(([True], ago[1:] != ago[:-1]))
    once[starts] = True
    scores = np.add.reduceat(np.where(once, decay ** ago.astype(np.float64), 0.0), starts)
    return _without_removed(h, rows[firsts], bought.items[firsts], scores)


def baskets_bought(h: Histories) -> NDArray[np.int64]:
    """In how many baskets each customer bought anything; int64 [n]. OrderingError for data without order."""
    bought = h.purchases()
    rows, baskets = bought.rows, bought.baskets()
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (baskets[1:] != baskets[:-1])
    return np.bincount(rows[new], minlength=len(h))


def _without_removed(
    h: Histories, rows: NDArray[np.int64], items: NDArray[np.int32], scores: NDArray[np.float64]
) -> OwnScores:
    keep = scores > 0.0
    removing = (h.events == REMOVING[0]) | (h.events == REMOVING[1])
    if removing.any():
        every = h.rows
        order, starts = group_pairs(every, h.items)
        last = order[np.append(starts[1:], len(order)) - 1]
        gone = last[removing[last]]
        size = int(h.items.max()) + 1
        keep &= ~np.isin(rows * size + items, every[gone] * size + h.items[gone])
    offsets = np.concatenate(([0], np.bincount(rows[keep], minlength=len(h)).cumsum()))
    return OwnScores(offsets, items[keep], scores[keep])
