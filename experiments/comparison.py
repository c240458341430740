"""One model, its parts, its shuffled self, the baselines and the non-private twin, side by side on one split."""

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
HEADLINE = (
    ("new_recall_at_20", "new", "recall@20"),
    ("recall_at_10", "overall", "recall@10"),
    ("recall_at_20", "overall", "recall@20"),
    ("ndcg_at_10", "overall", "ndcg@10"),
    ("hit_at_10", "overall", "hit@10"),
    ("repeat_recall_at_10", "repeat", "recall@10"),
)

ABLATION = {
    "own history": Components(popularity=False, profile=False, copurchase=False, towers=False),
    "+ popularity": Components(profile=False, copurchase=False, towers=False),
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
    def of(cls, metrics: Metrics, *, private: bool) -> Entry:
        """The headline figures of a method's metrics."""
        found = {name: getattr(metrics, segment).values[metric] for name, segment, metric in HEADLINE}
        means = {name: interval.mean for name, interval in found.items()}
        return cls(private, means, {name: (i.low, i.high) for name, i in found.items()})


def compare(
    bundle: Bundle, holdouts: Sequence[Holdout], *, twin: Bundle | None, ablation: bool = True
) -> dict[str, Entry]:
    """Figures by method: `private`, `popularity`, `personal_top`, `non_private`, `shuffled`, and the ablation.

    popularity and personal top are exact, counted in each silo: stronger than a noised list. All methods choose
    among the silo's own assortment.
    """
    split, sizes = pooled(holdouts), [len(h.split.customers) for h in holdouts]

    def measure(rankers: Sequence[Ranker], *, private: bool) -> Entry:
        return Entry.of(evaluate(BySilo(rankers, sizes), split, (10, K)), private=private)

    def measure_bundle(recommender: Recommender, *, private: bool = True) -> Entry:
        return measure([_masked(recommender, h.assortment) for h in holdouts], private=private)

    whole = Recommender(bundle)
    counts = [purchase_counts(h) for h in holdouts]
    methods = {
        "private": measure_bundle(whole),
        "popularity": measure([popularity_ranker(c, K) for c in counts], private=False),
        "personal_top": measure([personal_ranker(c, K) for c in counts], private=False),
        "shuffled": measure_bundle(whole.with_shuffled_vectors(0)),
    }
    if twin is not None:
        methods["non_private"] = measure_bundle(Recommender(twin), private=False)
    for name, parts in ABLATION.items() if ablation else ():
        methods[name] = measure_bundle(whole.with_components(parts))
    return methods


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
