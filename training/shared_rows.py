"""What candidates that all customers share put on the rows of the table, per customer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.towers.two_tower import TwoTower

BLOCK = 2048
UNIT = 2.0**-24  # of float32: what one addition may lose


class SharedRows:
    """X_r = sum_k c_k e_kr for the step's negatives k: prepared once, then for any coefficients c.

    Features are few, so their sums come from one sparse product. If no negative is there twice, the items'
    own rows need no sum: their values are the coefficients, times the rows' scales.

    lost: bound on what rounding may take from |X|, as a part of it: sums of n numbers of one sign lose at most
    n units of float32 (Higham 2002), over a row's items in X itself and over BLOCK squares in its norm
    """

    def __init__(self, tower: TwoTower, negatives: Tensor) -> None:
        self.tower = tower
        rows, scales = tower.rows[negatives], tower.scales[negatives]
        self.distinct = len(np.unique(negatives.numpy())) == len(negatives)
        self.own = scales[:, 0].contiguous()
        self.alike = len(self.own) > 0 and bool((self.own == self.own[0]).all())
        self.position = torch.full((len(tower.rows),), -1)
        if self.distinct:
            self.position[negatives] = torch.arange(len(negatives))
        summed = tower.scales.any(0)
        summed[0] &= not self.distinct
        self.summed = summed.nonzero()[:, 0].tolist()
        used, codes = np.unique(rows[:, self.summed].numpy(), return_inverse=True)
        self.place = torch.full((len(tower.table),), len(used))
        self.place[used] = torch.arange(len(used))
        self.matrix = _matrix(codes.reshape(len(rows), -1), scales[:, self.summed].numpy(), len(used))
        longest = np.bincount(codes.ravel(), minlength=1).max() if codes.size else 0
        self.lost = UNIT * (int(longest) + min(BLOCK, len(negatives)))

    def spread(self, coefficients: Tensor, sizes: Tensor) -> Spread:
        """coefficients: [B, K]; sizes: at least their norms, float64 [B]."""
        return Spread(self, coefficients, sizes, self.matrix @ coefficients.T)


@dataclass(frozen=True)
class Spread:
    """X of B customers. sizes: their coefficients' norms, float64 [B]; sums: [used rows, B], of rows that need one."""

    shared: SharedRows
    coefficients: Tensor
    sizes: Tensor
    sums: Tensor

    def squares(self) -> Tensor:
        """|X|^2; float64 [B]."""
        total = self.sums.double().square().sum(0)
        if not self.shared.distinct or not len(self.shared.own):
            return total
        if self.shared.alike:
            return total + self.sizes.square() * self.shared.own[0].double().square()
        return total + row_norms(self.coefficients, self.shared.own).square()

    def at(self, customers: Tensor, items: Tensor) -> Tensor:
        """X . e_l of own items; float64 [P]. customers: rows of the coefficients; items: int64 [P] both."""
        tower = self.shared.tower
        rows, scales = tower.rows[items], tower.scales[items].double()
        found = torch.zeros(len(items), dtype=torch.float64)
        if self.shared.distinct and self.coefficients.shape[1]:
            position = self.shared.position[items]
            there = self.coefficients[customers, position.clamp(min=0)]
            found += torch.where(position >= 0, there, 0.0) * scales[:, 0].square()
        if self.shared.summed:
            sums = torch.cat([self.sums, self.sums.new_zeros(1, self.sums.shape[1])])
            for column in self.shared.summed:
                found += sums[self.shared.place[rows[:, column]], customers] * scales[:, column]
        return found


def row_norms(values: Tensor, scales: Tensor | None = None) -> Tensor:
    """L2 norms of rows [B, K], times scales [K] if there are any; float64 [B], to BLOCK units of float32.

    Block by block: a copy of all numbers in float64 would be large.
    """
    squares = torch.zeros(len(values), dtype=torch.float64)
    for start in range(0, values.shape[1], BLOCK):
        part = values[:, start : start + BLOCK]
        part = part if scales is None else part * scales[start : start + BLOCK]
        squares += torch.linalg.vector_norm(part, dim=1).double().square()
    return squares.sqrt()


def _matrix(codes: NDArray[np.int64], scales: NDArray[np.float32], size: int) -> Tensor:
    """Negatives' scales on the rows that need a sum, sparse; [size, K]. codes, scales: [K, features]."""
    columns = np.arange(len(codes)).repeat(codes.shape[1])
    made = sp.csr_matrix((scales.ravel(), (codes.ravel(), columns)), shape=(size, len(codes)))
    parts = (made.indptr.astype(np.int64), made.indices.astype(np.int64), made.data)
    with warnings.catch_warnings():  # torch calls its sparse tensors new, once per process
        warnings.simplefilter("ignore", UserWarning)
        first, second, values = (torch.from_numpy(part) for part in parts)
        return torch.sparse_csr_tensor(first, second, values, made.shape, check_invariants=True)
