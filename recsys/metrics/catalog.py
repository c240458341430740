"""How recommendations spread over the catalogue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def exposure(ranked: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    """How many lists show each item; int64 [n_items]. Places of -1 are empty."""
    return np.bincount(ranked[ranked >= 0], minlength=n_items)


def coverage(ranked: NDArray[np.int32], n_items: int) -> float:
    """Share of the catalogue that is shown to anybody, 0 to 1."""
    return float((exposure(ranked, n_items) > 0).mean()) if n_items else 0.0


def gini(counts: NDArray[np.int64]) -> float:
    """Gini coefficient of exposure (or of sales) over items: 0 all equal, towards 1 all on one item.

    sum over i of (2i - n - 1) x_i / (n sum x), x ascending, i from 1 (Gini 1912).
    """
    n, total = len(counts), float(counts.sum())
    if total == 0.0:
        return 0.0
    return float(((2 * np.arange(1, n + 1) - n - 1) @ np.sort(counts)) / (n * total))


def long_tail_share(ranked: NDArray[np.int32], popularity: NDArray[np.float64], head: float = 0.8) -> float:
    """Share of shown places that go to the long tail (Abdollahpouri et al. 2017).

    The tail is what remains after the most popular items that together hold `head` of all purchases.
    """
    order = np.argsort(-popularity, kind="stable")
    before = popularity[order].cumsum() - popularity[order]
    tail = np.zeros(len(popularity), bool)
    tail[order] = before >= head * popularity.sum()
    shown = ranked[ranked >= 0]
    return float(tail[shown].mean()) if len(shown) else 0.0
