"""From customers' sequences to one step's batch: each customer's own random targets, everyone's negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.features.sequences import Sequences
from recsys.towers.losses import HIDDEN
from recsys.towers.two_tower import TowerConfig


@dataclass(frozen=True)
class Batch:
    """B customers of one step, each row a function of that customer alone (and of fresh random numbers).

    negatives: int64 [K], items drawn from the public catalogue
    history: int64 [B, L]; weights: float32 [B, L], L2 norm 1 over the visible items, 0 elsewhere
    targets: int64 [B, T]; is_target: bool [B, T]
    biases: float32 [B, K], what the negatives' logits get besides u . v; HIDDEN for the customer's own items
    """

    negatives: Tensor
    history: Tensor
    weights: Tensor
    targets: Tensor
    is_target: Tensor
    biases: Tensor

    def __len__(self) -> int:
        return len(self.history)

    def chunks(self, size: int) -> Iterator[Batch]:
        """The batch in pieces of at most `size` customers; an empty batch is one empty piece."""
        for start in range(0, max(len(self), 1), size):
            part = slice(start, start + size)
            yield Batch(
                self.negatives,
                self.history[part],
                self.weights[part],
                self.targets[part],
                self.is_target[part],
                self.biases[part],
            )

    def padded(self, size: int) -> Batch:
        """The batch with rows of nobody appended up to `size` customers: no targets, so no loss, no gradient.

        Matrix products round differently for different numbers of rows. At one number a customer's gradient
        has the same bits whoever else was sampled, whatever parameters a server sends.
        """
        rows = (self.history, self.weights, self.targets, self.is_target, self.biases)
        missing = max(size - len(self), 0)
        return Batch(self.negatives, *(torch.cat([x, x.new_zeros(missing, x.shape[1])]) for x in rows))


def make_batch(
    sequences: Sequences,
    customers: NDArray[np.int64],
    log_popularity: NDArray[np.float32],
    config: TowerConfig,
    rng: np.random.Generator,
) -> Batch:
    """Hide a random share of each customer's items; the rest is the history that predicts them.

    customers: int64 [m], positions in `sequences`. Customers with fewer than two items, and customers whose
    row holds a weight that is not finite or an item that is not in the catalogue, are left out: they would
    contribute zero. log_popularity: float32 [n_items], published. rng: for the choice of targets and
    negatives only, never for noise.
    """
    n_items = len(log_popularity)
    negatives, biases = sample_negatives(log_popularity, config.negatives, rng)
    ids, weights = sequences.ids[customers], sequences.weights[customers].astype(np.float64)
    keys = rng.random(ids.shape)
    usable = usable_rows(ids, weights, n_items)
    ids, weights, keys = ids[usable], weights[usable], keys[usable]
    targets, hidden = choose_targets(ids, keys, config)
    visible = (ids >= 0) & ~hidden
    return Batch(
        torch.from_numpy(negatives),
        torch.from_numpy(np.where(visible, ids, 0)),
        torch.from_numpy(unit_rows(np.where(visible, weights, 0.0))),
        torch.from_numpy(np.maximum(targets, 0)),
        torch.from_numpy(targets >= 0),
        torch.from_numpy(np.where(_own_items(ids, n_items)[:, negatives], np.float32(HIDDEN), biases)),
    )


def sample_negatives(
    log_popularity: NDArray[np.float32], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Items to compare targets with, int64 [K], and what their logits get besides u . v, float32 [K].

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


def choose_targets(
    ids: NDArray[np.int64], keys: NDArray[np.float64], config: TowerConfig
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Hide the items with the smallest random keys: mask_share of them, at least one, and never all.

    ids: int64 [B, L], -1 where there is none, two items or more in each row; keys: float64 [B, L] in [0, 1).
    Returns the targets, int64 [B, T] with -1 for none, and which positions they hide, bool [B, L].
    """
    present = (ids >= 0).sum(1)
    counts = np.clip(np.rint(config.mask_share * present).astype(np.int64), 1, config.max_targets)
    order = np.where(ids >= 0, keys, 2.0).argsort(1)
    chosen = order[:, : min(config.max_targets, ids.shape[1])]
    is_target = np.arange(chosen.shape[1]) < np.minimum(counts, present - 1)[:, None]
    hidden = np.zeros(ids.shape, np.bool_)
    np.put_along_axis(hidden, chosen, is_target, 1)
    return np.where(is_target, np.take_along_axis(ids, chosen, 1), -1), hidden


def unit_rows(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows scaled to L2 norm 1, however large or small they are; rows of zeros stay."""
    peak = weights.max(1, keepdims=True, initial=0.0)
    scaled = weights / np.where(peak > 0.0, peak, 1.0)
    norm = np.sqrt((scaled * scaled).sum(1, keepdims=True))
    return (scaled / np.where(norm > 0.0, norm, 1.0)).astype(np.float32)


def _own_items(ids: NDArray[np.int64], n_items: int) -> NDArray[np.bool_]:
    own = np.zeros((len(ids), n_items + 1), np.bool_)
    np.put_along_axis(own, np.where(ids >= 0, ids, n_items), True, 1)
    return own[:, :n_items]
