"""The exact sum of a step's gradients, by item while it grows, then as the gradient of the table."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.errors import TrainingError
from recsys.towers.two_tower import TwoTower
from training.exact_sum import CUSTOMERS, FEW, MOST_NEGATIVES, OWN_ITEMS, WholeSum, value

COLUMNS = 512  # of a matrix product at a time: they stay in the processor's cache


class TableSum:
    """Whole numbers of steps by negative and by item. step: the grid's, as in `exact_sum.grid_step`.

    Guarantee: `add_negatives` and `add_own` round each customer's factors for themselves and add up without
    rounding, if no factor is beyond the range that `GradientSum.bounds` keeps. Raises TrainingError for more
    than MOST_NEGATIVES negatives.
    """

    def __init__(self, tower: TwoTower, negatives: Tensor, step: float) -> None:
        if len(negatives) > MOST_NEGATIVES:
            raise TrainingError(
                f"{len(negatives)} negatives in a step: sums are exact for at most {MOST_NEGATIVES}; "
                "lower towers.negatives"
            )
        self.tower, self.negatives, self.step = tower, negatives, step
        columns = tower.table.shape[1]
        self._float = torch.zeros(columns, len(negatives), dtype=torch.float64)
        self._to_negatives = WholeSum(columns, len(negatives))
        self._to_items = WholeSum(len(tower.rows), columns)
        self._settled = self._customers = self._items = 0

    def add_negatives(self, users: Tensor, coefficients: Tensor, steps: Tensor) -> None:
        """Add c (x) u of B customers. users: u, float64 [B, d]; coefficients: c, [B, K]; steps: of c, [B]."""
        # A coefficient times this is whole: it is so many steps, and this is a whole number over that step.
        whole = (users * (steps / self.step)[:, None]).round() / steps[:, None]
        for start in range(0, len(users), CUSTOMERS):
            rows = slice(start, start + CUSTOMERS)
            self._make_room(len(users[rows]))
            self._product(whole[rows].T.contiguous(), coefficients[rows])

    def _make_room(self, customers: int) -> None:
        if self._customers + customers > CUSTOMERS:
            self._settle()
        self._customers += customers

    def _product(self, whole: Tensor, coefficients: Tensor) -> None:
        block = torch.empty(len(coefficients), COLUMNS, dtype=torch.float64)
        for start in range(0, coefficients.shape[1], COLUMNS):
            part = coefficients[:, start : start + COLUMNS]
            exact = block[:, : part.shape[1]].copy_(part)
            self._float[:, start : start + COLUMNS].addmm_(whole, exact)

    def _settle(self) -> None:
        self._settled, self._customers = self._settled + self._customers, 0
        self._to_negatives.low += self._float.long()
        if self._settled > FEW:
            self._to_negatives.carry()
        self._float.zero_()

    def add_own(self, items: Tensor, own: Tensor) -> None:
        """Add g to the customers' own items. items: int64 [P]; own: g, float64 [P, d]."""
        for start in range(0, len(items), OWN_ITEMS):
            some, parts = items[start : start + OWN_ITEMS], own[start : start + OWN_ITEMS]
            if self._items + len(some) > OWN_ITEMS:
                self._to_items.carry()
                self._items = 0
            self._items += len(some)
            self._to_items.low.index_add_(0, some, (parts / self.step).round().long())

    def table(self) -> Tensor:
        """The gradient of the table; float64 [rows, embedding_dim].

        Sums over the items of a shared row are exact too; then all is rounded to float64, once for a row.
        """
        self._settle()
        count = 1 if self._settled <= FEW and self._to_items.high is None else 2
        both = self._to_items.limbs(count), self._to_negatives.limbs(count)
        limbs = [own.index_add(0, self.negatives, shared.T) for own, shared in zip(*both, strict=True)]
        rows, scales = self.tower.rows, self.tower.scales
        total = torch.zeros(self.tower.table.shape, dtype=torch.float64)
        total[rows[:, 0]] = value(limbs, self.step) * scales[:, :1]
        for scale in set(scales[0, 1:].tolist()) - {0.0}:
            alike = rows[:, 1:][:, scales[0, 1:] == scale].numpy()
            total += scale * value(_by_row(alike, len(total), limbs), self.step)
        return total


def _by_row(rows: NDArray[np.int64], size: int, limbs: list[Tensor]) -> list[Tensor]:
    """Sums of the items' numbers over the items of each row, int64 [size, n] each; rows: [n_items, F]."""
    count = len(rows)
    entries = (np.ones(rows.size, np.int64), (rows.ravel(), np.arange(count).repeat(rows.shape[1])))
    matrix = sp.csr_matrix(entries, shape=(size, count))
    return [torch.from_numpy(matrix @ limb.numpy()) for limb in limbs]
