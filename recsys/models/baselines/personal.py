"""Personal top, and personal top filled up with global top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.baselines.matrices import basket_counts
from recsys.models.baselines.popularity import item_counts


@dataclass(frozen=True)
class PersonalTop:
    """score_j = in how many of the customer's own baskets item j is; nothing else is listed (P-TopFreq)."""

    n_items: int

    @classmethod
    def fit(cls, histories: Histories, n_items: int) -> PersonalTop:  # noqa: ARG003
        """Nothing is learned from others."""
        return cls(n_items)

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """Own basket counts, -inf for items that the customer has not; float32 [n, n_items]."""
        counts = basket_counts(histories, self.n_items).toarray()
        return np.where(counts > 0.0, counts, -np.inf).astype(np.float32)


@dataclass(frozen=True)
class GpTopFreq:
    """Own items by frequency, then the others by global frequency (Li et al. 2023: GP-TopFreq)."""

    counts: NDArray[np.float64]

    @classmethod
    def fit(cls, histories: Histories, n_items: int) -> GpTopFreq:
        """Count the baskets with each item."""
        return cls(item_counts(histories, n_items))

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """Own basket counts plus global ones scaled below 1; float32 [n, n_items]."""
        below_one = 0.5 * self.counts / max(float(self.counts.max(initial=0.0)), 1.0)
        own = basket_counts(histories, len(self.counts)).toarray()
        return np.asarray(own + below_one.astype(np.float32), np.float32)
