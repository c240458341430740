"""Runs a recommender over a split: ranking quality overall, and apart for repeat and for new items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.data.split import Split
from recsys.features.pairs import recent_items
from recsys.metrics.ranking import (
    Denominator,
    Interval,
    bootstrap,
    hit_at_k,
    hits,
    ndcg_at_k,
    recall_at_k,
)

Ranker = Callable[[Histories, bool], NDArray[np.int32]]
"""(histories of n customers, owned items excluded?) -> int32 [n, k], best first, distinct, -1 at the end."""


@dataclass(frozen=True)
class Segment:
    """Figures of one kind of target: customers that have such a target, and an interval per metric."""

    customers: int
    values: Mapping[str, Interval]

    def __getitem__(self, metric: str) -> float:
        return self.values[metric].mean


@dataclass(frozen=True)
class Metrics:
    """Quality of one recommender on one split; metrics are named like `recall@10`.

    overall: all target items; repeat: targets that the customer had bought before, same lists;
    new: the other targets, with lists from which owned items are excluded.
    """

    overall: Segment
    repeat: Segment
    new: Segment

    def to_dict(self) -> dict[str, object]:
        """Plain numbers for JSON: segment -> {customers, values: {metric: [mean, low, high]}}."""
        return asdict(self)


def evaluate(
    rank: Ranker,
    split: Split,
    ks: Sequence[int] = (10, 20),
    *,
    denominator: Denominator = "relevant",
    samples: int = 500,
    seed: int = 0,
) -> Metrics:
    """Recall, NDCG and hit rate at every k, averaged over customers, with 95 % bootstrap intervals.

    Exact figures of the given customers: on private data this is a release like any other, to be charged or
    kept at home. `rank` sees the training histories of the evaluated customers and gives at least max(ks)
    items.
    """
    shown = split.train.select(split.customers)
    return measure(
        rank(shown, False),
        rank(shown, True),
        split,
        ks,
        denominator=denominator,
        samples=samples,
        seed=seed,
    )


def measure(
    lists: NDArray[np.int32],
    fresh: NDArray[np.int32],
    split: Split,
    ks: Sequence[int] = (10, 20),
    *,
    denominator: Denominator = "relevant",
    samples: int = 500,
    seed: int = 0,
) -> Metrics:
    """`evaluate` of lists that are there already; int32 [evaluated customers, k] each, without owned items in
    `fresh`. Segments without any target are left empty: 0 customers, NaN figures."""
    train, targets = split.train.select(split.customers), split.targets.select(split.customers)
    owned = owned_targets(train, targets)
    every = np.ones(len(targets.items), bool)

    def segment(ranked: NDArray[np.int32], wanted: NDArray[np.bool_]) -> Segment:
        return _segment(ranked, targets.where(wanted), ks, denominator, samples, seed)

    return Metrics(segment(lists, every), segment(lists, owned), segment(fresh, ~owned))


def owned_targets(train: Histories, targets: Histories) -> NDArray[np.bool_]:
    """Which target items the customer had bought before; bool [target items], a row of each per customer."""
    had = recent_items(train, max(len(train.items), 1))
    size = int(max(had.items.max(initial=0), targets.items.max(initial=0))) + 1
    return np.isin(targets.rows * size + targets.items, had.rows * size + had.items)


def _segment(
    ranked: NDArray[np.int32],
    targets: Histories,
    ks: Sequence[int],
    denominator: Denominator,
    samples: int,
    seed: int,
) -> Segment:
    relevant = np.diff(targets.offsets)
    hit = hits(ranked, targets.offsets, targets.items)
    values = {}
    for k in ks:
        values[f"recall@{k}"] = recall_at_k(hit, relevant, k, denominator)
        values[f"ndcg@{k}"] = ndcg_at_k(hit, relevant, k)
        values[f"hit@{k}"] = hit_at_k(hit, relevant, k)
    intervals = bootstrap(np.array(list(values.values())), samples=samples, seed=seed)
    return Segment(int((relevant > 0).sum()), dict(zip(values, intervals, strict=True)))
