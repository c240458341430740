"""From customers' sequences to one step's batch: each customer's own items, everyone's negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.features.sequences import Sequences
from recsys.towers.two_tower import TowerConfig


@dataclass(frozen=True)
class Batch:
    """B customers of one step, each row a function of that customer alone (and of fresh random numbers).

    negatives: int64 [K], items drawn from the public catalogue
    bias: float32 [K], what the negatives' logits get besides u . v
    history: int64 [B, L]; weights: float32 [B, L], L2 norm 1 over the items, 0 elsewhere
    is_own: bool [B, L], where the history holds an item
    rows, columns: int64 [H] each, which customer's own item which negative is; by row
    """

    negatives: Tensor
    bias: Tensor
    history: Tensor
    weights: Tensor
    is_own: Tensor
    rows: Tensor
    columns: Tensor

    def __len__(self) -> int:
        return len(self.history)

    def chunks(self, size: int) -> Iterator[Batch]:
        """The batch in pieces of at most `size` customers; an empty batch is one empty piece."""
        for start in range(0, max(len(self), 1), size):
            part = slice(start, start + size)
            first, last = np.searchsorted(self.rows.numpy(), [start, start + size])
            yield Batch(
                self.negatives,
                self.bias,
                self.history[part],
                self.weights[part],
                self.is_own[part],
                self.rows[first:last] - start,
                self.columns[first:last],
            )

    def padded(self, size: int) -> Batch:
        """The batch with rows of nobody appended up to `size` customers: no items, so no loss, no gradient.

        Matrix products round differently for different numbers of rows. At one number a customer's gradient
        has the same bits whoever else was sampled, whatever parameters a server sends.
        """
        missing = max(size - len(self), 0)

        def filled(rows: Tensor) -> Tensor:
            return torch.cat([rows, rows.new_zeros(missing, rows.shape[1])])

        return replace(
            self, history=filled(self.history), weights=filled(self.weights), is_own=filled(self.is_own)
        )


def make_batch(
    sequences: Sequences,
    customers: NDArray[np.int64],
    log_popularity: NDArray[np.float32],
    config: TowerConfig,
    rng: np.random.Generator,
) -> Batch:
    """Every item of a customer is to be predicted by the customer's other items.

    customers: int64 [m], positions in `sequences`. Customers with fewer than two items, and customers whose
    row holds a weight that is not finite or an item that is not in the catalogue, are left out: they would
    contribute zero. log_popularity: float32 [n_items], published. rng: for the choice of negatives only,
    never for noise.
    """
    n_items = len(log_popularity)
    negatives, bias = sample_negatives(log_popularity, config.negatives, rng)
    ids, weights = sequences.ids[customers], sequences.weights[customers].astype(np.float64)
    usable = usable_rows(ids, weights, n_items)
    ids, weights = ids[usable], weights[usable]
    is_own = ids >= 0
    whole = config.negatives >= n_items  # then the negatives are the catalogue in its order
    places = (is_own.nonzero()[0], ids[is_own]) if whole else own_among(negatives, ids)
    parts = (np.where(is_own, ids, 0), unit_rows(np.where(is_own, weights, 0.0)), is_own)
    history, unit, owned, rows, columns = map(torch.from_numpy, (*parts, *places))
    return Batch(torch.from_numpy(negatives), torch.from_numpy(bias), history, unit, owned, rows, columns)


def sample_negatives(
    log_popularity: NDArray[np.float32], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Items to compare a customer's with, int64 [K], and what their logits get besides u . v, float32 [K].

    All items, each with its log popularity, if they are at most `count`. Otherwise `count` draws with chances
    q proportional to published popularity, each with log popularity - log(count q), so that sums over them
    estimate sums over the catalogue. Never looks at customers.
    """
    n_items = len(log_popularity)
    if count >= n_items:
        return np.arange(n_items), log_popularity
    chances = np.exp(log_popularity.astype(np.float64) - log_popularity.max())
    total = chances.sum()
    negatives = rng.choice(n_items, count, p=chances / total)
    # log popularity - log(count * popularity / total): the same for every item.
    bias = np.log(total) + float(log_popularity.max()) - np.log(count)
    return negatives, np.full(count, bias, np.float32)


def usable_rows(ids: NDArray[np.int64], weights: NDArray[np.float64], n_items: int) -> NDArray[np.bool_]:
    """Which customers can be learned from: two items or more, all in the catalogue, all weights finite."""
    sound = np.isfinite(weights).all(1) & (weights >= 0.0).all(1) & (ids < n_items).all(1)
    usable: NDArray[np.bool_] = sound & ((ids >= 0).sum(1) >= 2)
    return usable


def own_among(
    negatives: NDArray[np.int64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where customers' own items stand among the negatives: rows of ids and positions, int64 [H] each.

    ids: int64 [B, L], -1 where there is none; negatives may repeat. Ordered by row.
    """
    order = negatives.argsort(kind="stable")
    ordered = negatives[order]
    first, last = ordered.searchsorted(ids, "left"), ordered.searchsorted(ids, "right")
    found = np.where(ids >= 0, last - first, 0).ravel()
    rows = np.repeat(np.arange(len(ids)), found.reshape(ids.shape).sum(1))
    within = np.arange(len(rows)) - np.repeat(found.cumsum() - found, found)
    return rows, order[np.repeat(first.ravel(), found) + within]


def unit_rows(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows scaled to L2 norm 1, however large or small they are; rows of zeros stay."""
    peak = weights.max(1, keepdims=True, initial=0.0)
    scaled = weights / np.where(peak > 0.0, peak, 1.0)
    norm = np.sqrt((scaled * scaled).sum(1, keepdims=True))
    return (scaled / np.where(norm > 0.0, norm, 1.0)).astype(np.float32)
