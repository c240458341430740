"""Our metrics against scikit-learn's, on random lists."""

import numpy as np
from sklearn.metrics import ndcg_score

from recsys.metrics.ranking import hits, ndcg_at_k, recall_at_k


def test_ndcg_and_recall_equal_a_librarys() -> None:
    random = np.random.default_rng(1)
    n, items, k = 200, 60, 20
    scores = random.permuted(np.tile(np.arange(items, dtype=float), (n, 1)), axis=1)
    truth = random.random((n, items)) < 0.15
    truth[np.arange(n), random.integers(0, items, n)] = True
    ranked = np.argsort(-scores, axis=1).astype(np.int32)
    offsets = np.concatenate(([0], truth.sum(1).cumsum()))
    found = hits(ranked, offsets, truth.nonzero()[1].astype(np.int32))
    relevant = truth.sum(1)
    expected = [ndcg_score(truth[c : c + 1], scores[c : c + 1], k=k) for c in range(n)]
    assert np.allclose(ndcg_at_k(found, relevant, k), expected)
    by_hand = [truth[c, ranked[c, :k]].sum() / relevant[c] for c in range(n)]
    assert np.allclose(recall_at_k(found, relevant, k), by_hand)
