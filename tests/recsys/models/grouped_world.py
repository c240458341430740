"""A shop of 15 hidden tastes: customers buy mostly from two or three, and some of everything popular."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.models.affinity import Affinity

GROUPS, ITEMS = 15, 300


@dataclass(frozen=True)
class GroupedWorld:
    """shown: what models may see; hidden: bool [n, items], what else was bought; group: the items' tastes."""

    shown: Histories
    hidden: NDArray[np.bool_]
    group: NDArray[np.int32]


@lru_cache
def grouped_world(customers: int = 6_000, seed: int = 0) -> GroupedWorld:
    r = np.random.default_rng(seed)
    group = r.permutation(np.arange(ITEMS) % GROUPS).astype(np.int32)
    popularity = 1.0 / (1.0 + r.permutation(ITEMS)) ** 0.8
    taste = r.dirichlet(np.full(GROUPS, 0.15), customers) * 0.8 + 0.2 / GROUPS
    chance = taste[:, group] * popularity
    keys = r.gumbel(size=chance.shape) + np.log(chance)
    sizes = r.integers(6, 20, customers)
    order = np.argsort(-keys, axis=1)[:, : sizes.max()]
    bought = np.arange(sizes.max()) < sizes[:, None]
    kept = bought & (r.random(order.shape) < 0.8)
    hidden = np.zeros((customers, ITEMS), bool)
    rows = np.nonzero(bought & ~kept)[0]
    hidden[rows, order[bought & ~kept]] = True
    lengths = kept.sum(axis=1)
    items = order[kept].astype(np.int32)
    return GroupedWorld(
        Histories(
            np.concatenate(([0], lengths.cumsum())),
            items,
            np.zeros(len(items), np.int64),
            np.full(len(items), 2, np.int8),
            np.ones(len(items), np.float32),
            Ordering.NONE,
        ),
        hidden,
        group,
    )


def recall(world: GroupedWorld, scores: NDArray[np.float64], k: int = 10) -> float:
    """Share of hidden items among the k best that are not shown."""
    scores = scores.copy()
    scores[world.shown.rows, world.shown.items] = -np.inf
    top = np.argsort(-scores, axis=1)[:, :k]
    found = np.take_along_axis(world.hidden, top, axis=1).sum(axis=1)
    relevant = world.hidden.sum(axis=1)
    return float((found[relevant > 0] / np.minimum(relevant, k)[relevant > 0]).mean())


def scores_of(world: GroupedWorld, model: Affinity, popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    """log popularity plus what the customer's items say, as serving adds it up."""
    shown = np.zeros(world.hidden.shape)
    shown[world.shown.rows, world.shown.items] = 1.0
    shown /= np.maximum(np.linalg.norm(shown, axis=1, keepdims=True), 1.0)
    return np.log(popularity) + shown @ model.history @ model.candidates.T
