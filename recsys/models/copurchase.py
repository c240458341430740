"""Which items the same customers buy: what one customer sends for it, bounded in size and in number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.errors import ConfigError
from recsys.features.pairs import recent_items

CLIP_NORM = 1.0
SMALLEST_SCALE = 0.01
CELLS_AT_ONCE = 4_000_000
_INSIDE = 1.0 - 1e-9  # keeps rounding on the safe side of the bound


@dataclass(frozen=True)
class PairScope:
    """Which pairs are counted, and how strongly. Public: made of published popularity alone.

    items: int32 [m], catalogue positions, most popular first
    scale: float64 [m], 0.01 to 1; a pair's value is proportional to scale_i x scale_j, so that rare items
        leave most of a customer's bounded contribution to frequent ones
    n_items: size of the catalogue
    """

    items: NDArray[np.int32]
    scale: NDArray[np.float64]
    n_items: int

    @classmethod
    def from_popularity(
        cls, popularity: NDArray[np.float64], top: int = 2_000, full_rank: int = 500
    ) -> PairScope:
        """The `top` most popular items; scale min(1, p_i / p of rank `full_rank`).

        popularity: published probabilities [n_items]. Ties go to the lower position.
        """
        if top < 2 or full_rank < 1:
            raise ConfigError(f"top is {top} and full_rank {full_rank}; give at least 2 items and rank 1")
        items = np.argsort(-popularity, kind="stable")[:top].astype(np.int32)
        chosen = popularity[items]
        scale = chosen / chosen[min(full_rank, len(items)) - 1] if len(items) else chosen
        return cls(items, np.clip(scale, SMALLEST_SCALE, 1.0), len(popularity))

    @property
    def n_pairs(self) -> int:
        """Length of the released vector: m (m - 1) / 2, the upper triangle row by row."""
        return len(self.items) * (len(self.items) - 1) // 2

    def square(self, pairs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The symmetric matrix [m, m] with zero diagonal of an upper triangle [n_pairs]."""
        matrix = np.zeros((len(self.items), len(self.items)))
        matrix[np.triu_indices(len(self.items), 1)] = pairs
        matrix += matrix.T
        return matrix


def contribution(h: Histories, scope: PairScope, max_items: int) -> NDArray[np.float64]:
    """Sum over customers of a_c scale_i scale_j over the pairs of each one's set of items; float64 [n_pairs].

    A customer's set is the `max_items` latest distinct purchased items within the scope; a_c is chosen so
    that the customer's vector has norm `CLIP_NORM`. Sets of fewer than two items send nothing.

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    """
    position = np.full(scope.n_items, -1, np.int32)
    position[scope.items] = np.arange(len(scope.items), dtype=np.int32)
    sets = recent_items(h.where(position[h.items] >= 0), max_items)
    total = np.zeros(scope.n_pairs)
    lengths = sets.lengths
    local = position[sets.items]
    by_size = np.argsort(lengths, kind="stable")
    by_size = by_size[lengths[by_size] >= 2]
    while len(by_size):
        rows = max(1, CELLS_AT_ONCE // int(lengths[by_size[-1]]) ** 2)
        chunk, by_size = by_size[-rows:], by_size[:-rows]
        total += _pairs_of(_padded(sets.offsets, local, chunk, len(scope.items)), scope)
    return total


def _padded(
    offsets: NDArray[np.int64], items: NDArray[np.int32], customers: NDArray[np.int64], padding: int
) -> NDArray[np.int64]:
    """The customers' items as rows of equal length, ascending, padding last."""
    width = int((offsets[customers + 1] - offsets[customers]).max())
    index = offsets[customers][:, None] + np.arange(width)
    inside = index < offsets[customers + 1][:, None]
    rows = np.where(inside, items[np.minimum(index, len(items) - 1)], padding)
    rows.sort(axis=1)
    return rows.astype(np.int64)


def _pairs_of(items: NDArray[np.int64], scope: PairScope) -> NDArray[np.float64]:
    """Unit-norm pair values of each row, summed into the upper triangle."""
    m = len(scope.items)
    scale = np.append(scope.scale, 0.0)[items]
    first = np.arange(m + 1)
    start = first * m - first * (first + 1) // 2 - first - 1
    low, high = np.triu_indices(items.shape[1], 1)
    values = scale[:, low] * scale[:, high]
    values *= _INSIDE * CLIP_NORM / np.sqrt(np.einsum("np,np->n", values, values))[:, None]
    cells = start[items[:, low]] + items[:, high]
    present = items[:, high] < m
    return np.bincount(cells[present], values[present], minlength=scope.n_pairs).astype(np.float64)
