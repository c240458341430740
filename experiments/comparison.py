"""One model, its parts, its shuffled self, baselines and the non-private twin, side by side on one split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.holdout import BySilo, Holdout, pooled
from recsys.bundle.contents import Bundle
from recsys.data.history import Histories
from recsys.evaluate import Metrics, Ranker, evaluate
from recsys.models.baselines import personal_ranker, popularity_ranker
from recsys.recommend.pipeline import Recommender
from recsys.recommend.types import Components

K = 20
Headline = Sequence[tuple[str, str, str]]
HEADLINE: Headline = (
    ("new_recall_at_20", "new", "recall@20"),
    ("recall_at_10", "overall", "recall@10"),
    ("recall_at_20", "overall", "recall@20"),
    ("ndcg_at_10", "overall", "ndcg@10"),
    ("hit_at_10", "overall", "hit@10"),
    ("repeat_recall_at_10", "repeat", "recall@10"),
)

ABLATION = {
    "own history": Components(popularity=False, profile=False, titles=False, copurchase=False, towers=False),
    "+ popularity": Components(profile=False, titles=False, copurchase=False, towers=False),
    "+ public features": Components(copurchase=False, towers=False),
    "+ co-purchase": Components(towers=False),
    "+ towers": Components(),
}
"""Each row adds one part to the row above; the last is the whole private model."""


@dataclass(frozen=True)
class Entry:
    """A method and how it did: figures by the names of `HEADLINE`, and the 95 % interval of each."""

    private: bool
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, metrics: Metrics, *, private: bool, headline: Headline = HEADLINE) -> Entry:
        """The headline figures of a method's metrics."""
        found = {name: getattr(metrics, segment).values[metric] for name, segment, metric in headline}
        means = {name: interval.mean for name, interval in found.items()}
        return cls(private, means, {name: (i.low, i.high) for name, i in found.items()})


def compare(bundle: Bundle, holdouts: Sequence[Holdout]) -> dict[str, Entry]:
    """Figures by method: `private`, `popularity`, `personal_top`, `shuffled`, and the rows of the ablation.

    popularity and personal top are exact, counted in each silo: stronger than a noised list. All methods
    choose among the silo's own assortment.
    """
    whole = Recommender(bundle)
    counts = [purchase_counts(holdout) for holdout in holdouts]
    methods = {
        "private": _measure_bundle(whole, holdouts, private=True),
        "popularity": _measure([popularity_ranker(c, K) for c in counts], holdouts, private=False),
        "personal_top": _measure([personal_ranker(c, K) for c in counts], holdouts, private=False),
        "shuffled": _measure_bundle(whole.with_shuffled_vectors(0), holdouts, private=True),
    }
    # The last row of the ablation is the whole model, which has been measured.
    for name, parts in ABLATION.items():
        same = parts == Components()
        methods[name] = (
            methods["private"]
            if same
            else _measure_bundle(whole.with_components(parts), holdouts, private=True)
        )
    return methods


def measure_twin(twin: Bundle, holdouts: Sequence[Holdout]) -> Entry:
    """How the non-private twin did."""
    return _measure_bundle(Recommender(twin), holdouts, private=False)


def _measure_bundle(recommender: Recommender, holdouts: Sequence[Holdout], *, private: bool) -> Entry:
    return _measure([_masked(recommender, h.assortment) for h in holdouts], holdouts, private=private)


def _measure(rankers: Sequence[Ranker], holdouts: Sequence[Holdout], *, private: bool) -> Entry:
    sizes = [len(holdout.split.customers) for holdout in holdouts]
    return Entry.of(evaluate(BySilo(rankers, sizes), pooled(holdouts), (10, K)), private=private)


def purchase_counts(holdout: Holdout) -> NDArray[np.float64]:
    """How many customers of the silo bought each item before the cut-off; 0 outside its assortment."""
    bought = holdout.split.train.purchases()
    n_items = len(holdout.assortment)
    pairs = np.unique(bought.rows * n_items + bought.items)
    counts = np.bincount(pairs % n_items, minlength=n_items).astype(np.float64)
    return np.where(holdout.assortment, counts, 0.0)


def _masked(recommender: Recommender, assortment: NDArray[np.bool_]) -> Ranker:
    def rank(histories: Histories, owned_excluded: bool) -> NDArray[np.int32]:
        return recommender.rank(histories, K, new_only=owned_excluded, candidates=assortment)

    return rank
