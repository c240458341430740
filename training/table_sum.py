"""The exact sum of a step's gradients, by item while it grows, then as the gradient of the table."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from recsys.towers.two_tower import TwoTower
from training.exact_sum import BATCH, COLUMNS, OWN_BATCHES, PRODUCTS, WholeSum, split, values


class TableSum:
    """Whole numbers of steps by negative and by item. step: the grid's, as in `exact_sum.grid_step`.

    Guarantee: `add_negatives` and `add_own` round each customer's factors for themselves and add up without
    rounding, if no factor is beyond the range that `GradientSum.bounds` keeps.
    """

    def __init__(self, tower: TwoTower, negatives: Tensor, step: float) -> None:
        self.tower, self.negatives, self.step = tower, negatives, step
        columns = tower.table.shape[1]
        self._to_negatives = WholeSum(2 * columns, len(negatives), room=PRODUCTS)
        self._to_items = WholeSum(len(tower.rows), 2 * columns, room=OWN_BATCHES)

    def add_negatives(self, users: Tensor, coefficients: Tensor, steps: Tensor) -> None:
        """Add c (x) u of B customers. users: u, float64 [B, d]; coefficients: c, [B, K]; steps: of c, [B]."""
        # A coefficient times this is whole: it is so many steps, and this is a whole number over that step.
        whole = split(users * (steps / self.step)[:, None]) / steps[:, None]
        for start in range(0, len(users), BATCH):
            rows = slice(start, start + BATCH)
            self._product(whole[rows].T.contiguous(), coefficients[rows])

    def _product(self, whole: Tensor, coefficients: Tensor) -> None:
        block = torch.empty(len(coefficients), COLUMNS, dtype=torch.float64)
        for start in range(0, coefficients.shape[1], COLUMNS):
            part = coefficients[:, start : start + COLUMNS]
            exact = block[:, : part.shape[1]].copy_(part)
            self._to_negatives.low[:, start : start + COLUMNS] += torch.mm(whole, exact).long()
        self._to_negatives.added()

    def add_own(self, items: Tensor, own: Tensor) -> None:
        """Add g to the customers' own items. items: int64 [P]; own: g, float64 [P, d]."""
        for start in range(0, len(items), BATCH):
            rows = slice(start, start + BATCH)
            self._to_items.low.index_add_(0, items[rows], split(own[rows] / self.step).long())
            self._to_items.added()

    def table(self) -> Tensor:
        """The gradient of the table; float64 [rows, embedding_dim].

        Sums over the items of a shared row are exact too; then all is rounded to float64, once for a row.
        """
        limbs = [
            own.index_add(0, self.negatives, shared.T)
            for own, shared in zip(self._to_items.carry(), self._to_negatives.carry(), strict=True)
        ]
        rows, scales = self.tower.rows, self.tower.scales
        total = torch.zeros(self.tower.table.shape, dtype=torch.float64)
        total[rows[:, 0]] = values(*limbs, self.step) * scales[:, :1]
        for scale in scales[0, 1:].unique().tolist():
            if scale:
                alike = rows[:, 1:][:, scales[0, 1:] == scale].numpy()
                total += scale * values(*_by_row(alike, len(total), limbs), self.step)
        return total


def _by_row(rows: np.ndarray, size: int, limbs: list[Tensor]) -> list[Tensor]:
    """Sums of the items' numbers over the items of each row, int64 [size, n] each; rows: [n_items, F]."""
    count = len(rows)
    entries = (np.ones(rows.size, np.int64), (rows.ravel(), np.arange(count).repeat(rows.shape[1])))
    matrix = sp.csr_matrix(entries, shape=(size, count))
    return [torch.from_numpy(matrix @ limb.numpy()) for limb in limbs]
