"""Quality measured on the silos' own customers: one more noised and charged sum, never an exact figure.

The customers' first basket after the run's `until` is the target, so nothing that was trained on is tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.split import Split
from recsys.features.profile import TasteProfile
from recsys.features.sequences import SequenceConfig, Sequences, encode
from recsys.metrics.ranking import hit_at_k, hits, ndcg_at_k, recall_at_k
from recsys.privacy.clipping import on_grid
from training.exact_products import exact_products

CLIP_NORM = 1.0
FIGURES = ("new_recall_at_20", "new_ndcg_at_10", "new_hit_at_10", "popularity_new_recall_at_20")
LENGTH = 1 + len(FIGURES)
K = 20
CHUNK = 512


@dataclass(frozen=True)
class Published:
    """What the silos are asked to measure: public numbers alone.

    popularity: float64 [n_items], sums to 1; vectors, history_table: float32 [n_items, d], the learned blocks
    side by side, weighted; profile: tastes by public features; sequence: how histories are read
    """

    popularity: NDArray[np.float64]
    vectors: NDArray[np.float32]
    history_table: NDArray[np.float32]
    profile: TasteProfile
    sequence: SequenceConfig

    def new_items(self, sequences: Sequences, owned: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The K best items that each customer does not own, by log popularity + u . v; int32 [n, K]."""
        learned = exact_products(sequences.ids, sequences.weights, self.history_table, self.vectors)
        scores = np.log(self.popularity) + learned
        tastes = self.profile.users(np.where(sequences.weights > 0.0, sequences.ids, -1))
        scores += self.profile.scores(tastes, np.arange(len(self.popularity)))
        return _best(np.where(owned, -np.inf, scores))


def contribution(split: Split, published: Published) -> NDArray[np.float64]:
    """The customers' figures, a row each, to be clipped, summed and noised; float64 [customers, LENGTH].

    A row is (1, figures) / sqrt(LENGTH) for a customer with new items to find, and zero otherwise. Ties go to
    the lower item number.

    Guarantee: unit one customer, relation add or remove one: a row depends on its own customer and on
    published numbers, and its L2 norm is at most 1 (`CLIP_NORM`), as every figure is in [0, 1]. Rows lie on a
    grid on which sums are exact, and so are the sums behind scores: not a bit of a row depends on other rows.
    """
    rows = np.zeros((len(split.train), LENGTH))
    popular = np.log(published.popularity)
    for start in range(0, len(split.customers), CHUNK):
        customers = split.customers[start : start + CHUNK]
        train, targets = split.train.select(customers), split.targets.select(customers)
        owned = _owned(train.items, train.rows, len(customers), len(popular))
        wanted = targets.where(~owned[targets.rows, targets.items])
        ranked = published.new_items(encode(train, published.sequence), owned)
        by_popularity = _best(np.where(owned, -np.inf, popular))
        relevant = np.diff(wanted.offsets)
        found, plain = (hits(lists, wanted.offsets, wanted.items) for lists in (ranked, by_popularity))
        figures = np.stack(
            [
                np.ones(len(customers)),
                recall_at_k(found, relevant, K),
                ndcg_at_k(found, relevant, 10),
                hit_at_k(found, relevant, 10),
                recall_at_k(plain, relevant, K),
            ],
            axis=1,
        )
        rows[customers] = np.where(relevant[:, None] > 0, figures, 0.0)
    return on_grid(CLIP_NORM * rows / np.sqrt(LENGTH), CLIP_NORM)


def estimate(noised: NDArray[np.float64], noise_std: float) -> dict[str, float]:
    """The figures from the noised total, each in [0, 1], and how far noise moves them (one standard error).

    noised: float64 [LENGTH]; noise_std: standard deviation of the noise in each entry. A figure is the noised
    sum over the noised number of customers. Post-processing: costs no privacy.
    """
    customers = max(float(noised[0]), noise_std)
    values = np.clip(noised[1:] / customers, 0.0, 1.0)
    return {**dict(zip(FIGURES, values.tolist(), strict=True)), "standard_error": noise_std / customers}


def _owned(
    items: NDArray[np.int32], rows: NDArray[np.int64], customers: int, n_items: int
) -> NDArray[np.bool_]:
    owned = np.zeros((customers, n_items), np.bool_)
    owned[rows, items] = True
    return owned


def _best(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    """The K best of each row, -1 where fewer can be recommended; int32 [n, K]."""
    k = min(K, scores.shape[1])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    ranked = np.where(np.take_along_axis(scores, order, 1) > -np.inf, order, -1)
    return np.pad(ranked, ((0, 0), (0, K - k)), constant_values=-1).astype(np.int32)
