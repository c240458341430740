"""EASE: a linear item-to-item model in closed form (Steck 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from recsys.data.history import Histories
from recsys.errors import ConfigError
from recsys.models.baselines.matrices import indicators

MOST_ITEMS = 12_000
"""A dense matrix of 12,000 x 12,000 float32 is 0.6 GB; rarer items keep a score of 0."""


@dataclass(frozen=True)
class Ease:
    """scores = X B with B_ij = -P_ij / P_jj, zero diagonal, P = (X'X + lambda I)^-1 (Steck 2019).

    weights: float32 [m, m], B over `items`; items: int64 [m], ascending, the most popular; n_items: of all
    """

    weights: NDArray[np.float32]
    items: NDArray[np.int64]
    n_items: int

    @classmethod
    def fit(
        cls, histories: Histories, n_items: int, *, ridge: float = 300.0, most_items: int = MOST_ITEMS
    ) -> Ease:
        """ridge: lambda, to be tuned on validation customers. Raises ConfigError if it is not above 0."""
        gram, items = gram_matrix(histories, n_items, most_items)
        return cls(regression(gram, ridge), items, n_items)

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """Sum of the weights from a customer's items; float32 [n, n_items]."""
        shown = indicators(histories, self.n_items)[:, self.items]
        found = np.asarray(shown @ self.weights, np.float32)
        if len(self.items) == self.n_items:
            return found
        everywhere = np.zeros((len(histories), self.n_items), np.float32)
        everywhere[:, self.items] = found
        return everywhere


def gram_matrix(
    histories: Histories, n_items: int, most_items: int = MOST_ITEMS
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """X'X over the `most_items` most frequent items, float32 [m, m], and those items, ascending."""
    shown = indicators(histories, n_items)
    popularity = np.asarray(shown.sum(0)).ravel()
    items = np.sort(np.argsort(-popularity, kind="stable")[:most_items])
    chosen = shown[:, items]
    return np.asarray((chosen.T @ chosen).toarray(), np.float32, order="F"), items


def regression(gram: NDArray[np.float32], ridge: float) -> NDArray[np.float32]:
    """B of a Gram matrix, which is left as it is; float32 [m, m], by Cholesky factors in place."""
    if not ridge > 0.0:
        raise ConfigError(f"ridge is {ridge}; it must be above 0")
    work = np.array(gram, np.float32, order="F")
    work[np.diag_indices_from(work)] += ridge
    work, failed = lapack.spotrf(work, lower=1, clean=0, overwrite_a=1)
    work, failed_too = lapack.spotri(work, lower=1, overwrite_c=1) if not failed else (work, failed)
    if failed or failed_too:
        raise ConfigError(f"ridge is {ridge}: too small to invert the items' matrix; give a larger one")
    upper = np.triu_indices(len(work), 1)
    work[upper] = work.T[upper]
    diagonal = np.diag(work).copy()
    work /= -diagonal
    np.fill_diagonal(work, 0.0)
    return np.asarray(work, np.float32)
