"""The released pairs of a scope as the cells of a sparse symmetric matrix."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.models.copurchase import PairScope


@dataclass(frozen=True)
class PairCells:
    """Where the cells of a scope's released vector are, both positions in the scope, lower first.

    first, second: int32 [n_pairs]
    """

    scope: PairScope
    first: NDArray[np.int32] = field(init=False)
    second: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        first, second = self.scope.pairs()
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "second", second)

    def __len__(self) -> int:
        return len(self.scope.items)

    @property
    def per_row(self) -> NDArray[np.int64]:
        """How many cells each row of the symmetric matrix has; int64 [m]."""
        return self.scope.widths + np.bincount(self.second, minlength=len(self))

    def times(self, values: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product of the symmetric matrix of `values` [n_pairs], 0 elsewhere, and `matrix` [m, r]."""
        out = np.zeros((len(self), matrix.shape[1]))
        widths = self.scope.widths
        begins = np.concatenate([[0], widths.cumsum()])
        for i in range(len(self)):
            row = values[begins[i] : begins[i + 1]]
            if len(row):
                reached = slice(i + 1, i + 1 + len(row))
                out[i] += row @ matrix[reached]
                out[reached] += row[:, None] * matrix[i]
        return out
