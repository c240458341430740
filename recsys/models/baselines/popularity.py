"""Global top: the same list for everybody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.baselines.matrices import basket_counts


def item_counts(histories: Histories, n_items: int) -> NDArray[np.float64]:
    """In how many (customer, basket) pairs each item is; float64 [n_items]."""
    return np.asarray(basket_counts(histories, n_items).sum(0), np.float64).ravel()


@dataclass(frozen=True)
class GlobalTop:
    """score_j = number of (customer, basket) pairs with item j (Li et al. 2023: G-TopFreq)."""

    counts: NDArray[np.float64]

    @classmethod
    def fit(cls, histories: Histories, n_items: int) -> GlobalTop:
        """Count the baskets with each item."""
        return cls(item_counts(histories, n_items))

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """The counts for every customer; float32 [n, n_items]."""
        return np.tile(self.counts.astype(np.float32), (len(histories), 1))
