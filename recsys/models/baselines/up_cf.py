"""UP-CF@r: recent personal popularity of similar customers (Faggioli, Polato and Aiolli 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.baselines.matrices import basket_counts, basket_numbers, indicators
from recsys.models.baselines.neighbours import in_rows, stacked


@dataclass(frozen=True)
class UpCf:
    """score(u, i) = sum over training customers v of sim(u, v)^q UWPop(v, i)

    UWPop(v, i) = share of v's last min(r, all) baskets with item i; sim(u, v) = |I_u and I_v| divided by
    |I_u|^a |I_v|^(1 - a), of the sets of all items: the asymmetric cosine (Aiolli 2013). A customer that is
    among the training customers is its own neighbour with sim 1.

    sets, frequencies (UWPop): csr [customers, n_items]; recency: r; asymmetry: a; locality: q
    """

    sets: sp.csr_matrix
    frequencies: sp.csr_matrix
    recency: int
    asymmetry: float
    locality: float

    @classmethod
    def fit(
        cls,
        histories: Histories,
        n_items: int,
        *,
        recency: int = 5,
        asymmetry: float = 0.25,
        locality: float = 5.0,
    ) -> UpCf:
        """recency: r; asymmetry: a; locality: q; to be tuned on validation."""
        return cls(
            indicators(histories, n_items),
            recent_shares(histories, n_items, recency),
            recency,
            asymmetry,
            locality,
        )

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """float32 [n, n_items]."""
        n_items = self.sets.shape[1]
        wide = _lengths(self.sets) ** np.float32(1.0 - self.asymmetry)
        parts = []
        for rows in in_rows(indicators(histories, n_items), self.sets.shape[0]):
            similarity = (rows @ self.sets.T).tocsr()
            narrow = _lengths(rows) ** np.float32(self.asymmetry)
            scale = np.repeat(narrow, np.diff(similarity.indptr)) * wide[similarity.indices]
            similarity.data = (similarity.data / scale) ** np.float32(self.locality)
            parts.append(np.asarray((similarity @ self.frequencies).toarray(), np.float32))
        return stacked(parts, n_items)


def recent_shares(histories: Histories, n_items: int, recency: int) -> sp.csr_matrix:
    """UWPop@r: the share of a customer's last `recency` baskets that an item is in; float32 csr."""
    total, ago = basket_numbers(histories)
    used = np.minimum(total, recency)[histories.rows]
    return basket_counts(histories, n_items, np.where(ago < recency, 1.0 / np.maximum(used, 1), 0.0))


def _lengths(sets: sp.csr_matrix) -> NDArray[np.float32]:
    return np.asarray(np.maximum(np.diff(sets.indptr), 1), np.float32)
