"""What neighbourhood methods share: similarities to all training customers, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

PAIRS_AT_ONCE = 16_000_000
"""Similarities in memory at a time: 128 MB as float64."""


def in_rows(matrix: sp.csr_matrix, others: int) -> Iterator[sp.csr_matrix]:
    """The rows of a matrix in blocks, so that a block times `others` columns fits into memory."""
    size = max(1, PAIRS_AT_ONCE // max(others, 1))
    for start in range(0, matrix.shape[0], size):
        yield matrix[start : start + size]


def stacked(parts: list[NDArray[np.float32]], columns: int) -> NDArray[np.float32]:
    """Blocks one below the other; float32 [n, columns]."""
    return np.concatenate(parts) if parts else np.zeros((0, columns), np.float32)


def mean_of_nearest(similarity: NDArray[np.float32], vectors: sp.csr_matrix, k: int) -> NDArray[np.float32]:
    """The mean vector of each row's k most similar customers; float32 [n, n_items].

    similarity: float32 [n, customers]; vectors: [customers, n_items]
    """
    n, customers = similarity.shape
    found = min(k, customers)
    nearest = np.argpartition(-similarity, found - 1, axis=1)[:, :found]
    weights = sp.csr_matrix(
        (np.full(n * found, 1.0 / found, np.float32), nearest.ravel(), np.arange(n + 1) * found),
        shape=(n, customers),
    )
    return np.asarray((weights @ vectors).toarray(), np.float32)
