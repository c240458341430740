"""TIFU-KNN: decayed item frequencies, own and of the nearest customers (Hu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.baselines.matrices import basket_counts, basket_numbers
from recsys.models.baselines.neighbours import in_rows, mean_of_nearest, stacked


class Decay(NamedTuple):
    """How baskets are weighted: `groups` groups of baskets, decay within a group and between groups."""

    groups: int = 7
    within: float = 0.9
    between: float = 0.7


PUBLISHED = Decay()
"""The published settings for Ta-Feng."""


@dataclass(frozen=True)
class TifuKnn:
    """scores = alpha v_u + (1 - alpha) mean of the k nearest v, by Euclidean distance.

    v = 1/m sum over groups g of between^(m - g) x 1/|g| sum over baskets b in g of within^(|g| - b) x 1{b}:
    a customer's baskets in m groups of nearly equal size, the earlier ones smaller (Hu et al. 2020).

    vectors: csr [customers, n_items], of training customers; squared: float32 [customers], squared lengths
    """

    vectors: sp.csr_matrix
    squared: NDArray[np.float32]
    decay: Decay
    neighbours: int
    alpha: float

    @classmethod
    def fit(
        cls,
        histories: Histories,
        n_items: int,
        *,
        decay: Decay = PUBLISHED,
        neighbours: int = 300,
        alpha: float = 0.7,
    ) -> TifuKnn:
        """The defaults are the published settings for Ta-Feng."""
        vectors = personal_vectors(histories, n_items, decay)
        return cls(vectors, _squared(vectors), decay, neighbours, alpha)

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """float32 [n, n_items]."""
        own = personal_vectors(histories, self.vectors.shape[1], self.decay)
        parts = []
        for rows in in_rows(own, self.vectors.shape[0]):
            nearness = 2.0 * np.asarray((rows @ self.vectors.T).toarray(), np.float32) - self.squared
            near = mean_of_nearest(nearness, self.vectors, self.neighbours)
            parts.append(self.alpha * rows.toarray() + (1.0 - self.alpha) * near)
        return stacked(parts, self.vectors.shape[1])


def personal_vectors(histories: Histories, n_items: int, decay: Decay) -> sp.csr_matrix:
    """Every customer's decayed frequencies; float32 csr [n, n_items]."""
    total, ago = basket_numbers(histories)
    baskets = total[histories.rows]
    group, size, place = _groups(baskets, baskets - 1 - ago, decay.groups)
    groups = np.minimum(baskets, decay.groups)
    weight = decay.between ** (groups - 1 - group) / groups * decay.within ** (size - 1 - place) / size
    return basket_counts(histories, n_items, weight)


def _groups(
    baskets: NDArray[np.int64], number: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Group of each basket, the group's size and the place in it; number: from 0, oldest first."""
    groups = np.minimum(baskets, most)
    base, longer = baskets // groups, baskets % groups
    short = (groups - longer) * base  # baskets in the first groups, which have `base` each
    early = number < short
    after = number - short
    group = np.where(early, number // base, groups - longer + after // (base + 1))
    place = np.where(early, number % base, after % (base + 1))
    return group, np.where(early, base, base + 1), place


def _squared(vectors: sp.csr_matrix) -> NDArray[np.float32]:
    return np.asarray(vectors.multiply(vectors).sum(1), np.float32).ravel()
