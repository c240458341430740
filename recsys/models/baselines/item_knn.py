"""Item-to-item neighbours by cosine (Deshpande and Karypis 2004)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.baselines.matrices import indicators

COLUMNS_AT_ONCE = 512


@dataclass(frozen=True)
class ItemKnn:
    """score_j = sum over a customer's items i of sim(i, j), over the k most similar items of each j.

    sim(i, j) = n_ij / (sqrt(n_i n_j) + shrinkage), n counted in customers. similarity: csr [n_items, n_items]
    """

    similarity: sp.csr_matrix

    @classmethod
    def fit(
        cls, histories: Histories, n_items: int, *, neighbours: int = 100, shrinkage: float = 10.0
    ) -> ItemKnn:
        """neighbours: k; shrinkage: pulls rare pairs towards 0; to be tuned on validation."""
        shown = indicators(histories, n_items).tocsc()
        root = np.sqrt(np.asarray(shown.sum(0), np.float32).ravel())
        columns = []
        for start in range(0, n_items, COLUMNS_AT_ONCE):
            part = np.arange(start, min(start + COLUMNS_AT_ONCE, n_items))
            counts = np.asarray((shown.T @ shown[:, part]).toarray(), np.float32)
            cosine = counts / np.maximum(root[:, None] * root[part] + np.float32(shrinkage), 1e-9)
            cosine[part, np.arange(len(part))] = 0.0
            columns.append(_nearest(np.asarray(cosine, np.float32), neighbours))
        return cls(
            sp.hstack(columns, "csr") if columns else sp.csr_matrix((n_items, n_items), dtype=np.float32)
        )

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """float32 [n, n_items]."""
        shown = indicators(histories, self.similarity.shape[0])
        return np.asarray((shown @ self.similarity).toarray(), np.float32)


def _nearest(cosine: NDArray[np.float32], k: int) -> sp.csc_matrix:
    """Each column's k largest entries above 0."""
    if k < len(cosine):
        edge = np.partition(cosine, len(cosine) - k, axis=0)[len(cosine) - k]
        cosine = np.where(cosine >= np.maximum(edge, np.float32(1e-12)), cosine, 0.0)
    return sp.csc_matrix(cosine)
