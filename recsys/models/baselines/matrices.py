"""Histories as sparse matrices of customers by items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.features.pairs import group_pairs
from recsys.features.sequences import baskets_ago


def in_baskets(histories: Histories) -> Histories:
    """The histories themselves, or with everything in one basket where the data has no order."""
    if histories.ordering is not Ordering.NONE:
        return histories
    return replace(histories, times=np.zeros_like(histories.times), ordering=Ordering.ORDER_NUMBER)


def indicators(histories: Histories, n_items: int) -> sp.csr_matrix:
    """1 where a customer has an item; float32 csr [n, n_items]."""
    order, starts = group_pairs(histories.rows, histories.items)
    return _matrix(histories, order[starts], np.ones(len(starts), np.float32), n_items)


def basket_counts(
    histories: Histories, n_items: int, weights: NDArray[np.float64] | None = None
) -> sp.csr_matrix:
    """Sum over a customer's baskets with the item of the basket's weight; float32 csr [n, n_items].

    weights: float64 [events], the same for all events of a basket; 1 when left out, so that baskets count.
    """
    ordered = in_baskets(histories)
    baskets, rows = ordered.baskets(), ordered.rows
    order, starts = group_pairs(rows, ordered.items)
    if not len(order):
        return sp.csr_matrix((len(histories), n_items), dtype=np.float32)
    once = np.ones(len(order), bool)  # a basket counts once, however often the item is in it
    once[1:] = baskets[order][1:] != baskets[order][:-1]
    once[starts] = True
    values = np.ones(len(order)) if weights is None else weights[order]
    sums = np.add.reduceat(np.where(once, values, 0.0), starts)
    return _matrix(histories, order[starts], sums.astype(np.float32), n_items)


def baskets_since(histories: Histories) -> NDArray[np.int64]:
    """How many of the customer's later baskets follow each event's basket; int64 [events]."""
    ordered = in_baskets(histories)
    return baskets_ago(ordered, ordered.rows)


def basket_numbers(histories: Histories) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many baskets each customer has, int64 [n], and baskets ago of every event, int64 [events]."""
    ago = baskets_since(histories)
    total = np.zeros(len(histories), np.int64)
    np.maximum.at(total, histories.rows, ago + 1)
    return total, ago


def _matrix(
    histories: Histories, firsts: NDArray[np.int64], values: NDArray[np.float32], n_items: int
) -> sp.csr_matrix:
    rows = histories.rows[firsts]
    offsets = np.concatenate(([0], np.bincount(rows, minlength=len(histories)).cumsum()))
    return sp.csr_matrix((values, histories.items[firsts], offsets), shape=(len(histories), n_items))
