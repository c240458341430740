"""The exact norm of every customer's gradient, and the clipped sum, without ever building the gradients.

With u the customer, v the items and c = dloss / dscores, let p = sum_j c_j v_j over all candidates j. Then
the loss's gradient is c_k u for the embedding of negative k, and g_l = c_l u + w_l p - 2 w_l c_l v_l for that
of own item l, as its score is (u - w_l v_l) . v_l. Rows of the table get these times the scales by which they
are part of items, so a customer's gradient is X (x) u + sum_l e_l (x) g_l, where X = sum_k c_k e_k and e_j
are the scales of item j's rows. Hence
    norm^2 = |X|^2 |u|^2 + 2 sum_l (X . e_l) (u . g_l) + |sum_l e_l (x) g_l|^2,
exact however often a row is looked up: item twice, shared brand, negative that is also an own item. The idea
is that of Goodfellow (2015) and Li et al. (2022), here for the tied table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys.towers.two_tower import TwoTower
from training.batches import Batch
from training.own_items import OwnItems
from training.shared_rows import SharedRows

SLACK = 1e-6  # of the squared terms: more than what is lost where float32 products enter float64 sums


@dataclass(frozen=True)
class Gradients:
    """The gradients of B customers as factors.

    users: u, [B, d]; to_negatives: c, [B, K]; own: g, [P, d], of the entries of `entries`
    """

    users: Tensor
    to_negatives: Tensor
    own: Tensor
    entries: OwnItems


class GradientSum:
    """Adds up clipped gradients of one step, chunk by chunk, for a model whose parameters stand still."""

    def __init__(self, tower: TwoTower, negatives: Tensor) -> None:
        self.tower = tower
        with torch.no_grad():
            self.items = tower.items()
        self.negatives = negatives
        whole = len(negatives) == len(self.items) and bool((negatives == torch.arange(len(negatives))).all())
        self.candidates = self.items if whole else self.items[negatives]
        self.shared = SharedRows(tower, negatives)
        self._used = tower.scales.any(0)
        self._negatives_sum = torch.zeros_like(self.candidates)
        self._items_sum = torch.zeros_like(self.items)

    @torch.no_grad()
    def scores(self, batch: Batch) -> Tensor:
        """What `TwoTower.forward` gives without its gradient, 0 where there is no item; [B, L + K]."""
        entries, length = OwnItems.of(batch), batch.history.shape[1]
        own, users = self._users(entries)
        to_own = (own * users[entries.customers]).sum(1) - entries.weights * own.square().sum(1)
        scores = torch.empty(len(batch), length + len(self.candidates))
        scores[:, :length] = 0.0
        scores[entries.customers, entries.positions] = to_own
        torch.mm(users, self.candidates.T, out=scores[:, length:])
        return scores

    @torch.no_grad()
    def gradients(self, batch: Batch, backprops: Tensor) -> Gradients:
        """backprops: c = dloss / dscores, [B, L + K]."""
        entries, length = OwnItems.of(batch), batch.history.shape[1]
        customers, weights = entries.customers, entries.weights[:, None]
        to_own = backprops[customers, entries.positions][:, None]
        to_negatives = backprops[:, length:]
        own, users = self._users(entries)
        pulls = to_negatives @ self.candidates + entries.by_customer(to_own * own)
        pushed = to_own * users[customers] + weights * pulls[customers]
        pushed -= (2.0 * weights * to_own) * own
        return Gradients(users, to_negatives, pushed, entries)

    def _users(self, entries: OwnItems) -> tuple[Tensor, Tensor]:
        """The embeddings of the entries' items, [P, d], and of the customers, [B, d]."""
        own = self.items[entries.items]
        return own, entries.by_customer(entries.weights[:, None] * own)

    @torch.no_grad()
    def norms(self, found: Gradients) -> Tensor:
        """L2 norm of each customer's gradient with respect to the whole table, rounded up; float32 [B].

        Guarantee: not below the true norm by more than float32 resolves (some 1e-7 of the scale of
        embeddings), as SLACK of the non-negative terms is added for rounding; so clipping by it bounds a
        customer's contribution by the clip norm. Handles B = 0.
        """
        entries, users = found.entries, found.users.double()
        spread = self.shared.spread(found.to_negatives)
        squares = spread.squares() * users.square().sum(1) + self._own_squares(found)
        along = (found.own.double() * users[entries.customers]).sum(1)
        cross = entries.by_customer(spread.at(entries.customers, entries.items) * along)
        return (squares * (1.0 + SLACK) + 2.0 * cross).clamp(min=0.0).sqrt().float()

    def _own_squares(self, found: Gradients) -> Tensor:
        """|sum_l e_l (x) g_l|^2, row of the table by row; float64 [B]."""
        entries, size = found.entries, len(self.tower.table)
        customers = entries.customers.numpy()
        rows, scales = (
            x[entries.items][:, self._used].numpy().T for x in (self.tower.rows, self.tower.scales)
        )
        keys = (customers * size + rows).ravel()
        if not len(keys):
            return torch.zeros(entries.size, dtype=torch.float64)
        order = keys.argsort(kind="stable")
        pushed = found.own.numpy().astype(np.float64)
        entered = (scales[:, :, None] * pushed).reshape(len(keys), -1)[order]
        ordered = keys[order]
        starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
        squares = np.square(np.add.reduceat(entered, starts, axis=0)).sum(1)
        return torch.from_numpy(np.bincount(ordered[starts] // size, squares, entries.size))

    @torch.no_grad()
    def add(self, found: Gradients, coefficients: Tensor) -> None:
        """Add each customer's gradient times a coefficient [B]; 0 leaves out also what is no number."""
        kept, entries = coefficients > 0.0, found.entries
        users, to_negatives, factors = found.users, found.to_negatives, coefficients
        own, items, customers = found.own, entries.items, entries.customers
        if not kept.all():
            users, to_negatives, factors = users[kept], to_negatives[kept], factors[kept]
            among = kept[customers]
            own, items, customers = own[among], items[among], customers[among]
        self._negatives_sum += to_negatives.T @ (factors[:, None] * users)
        self._items_sum.index_add_(0, items, coefficients[customers][:, None] * own)

    @torch.no_grad()
    def table(self) -> Tensor:
        """The sum so far, as the gradient of the table; [rows, embedding_dim]."""
        items = self._items_sum.index_add(0, self.negatives, self._negatives_sum)
        total = torch.zeros_like(self.tower.table)
        for rows, scales in zip(self.tower.rows.T, self.tower.scales.T, strict=True):
            if scales.any():
                total.index_add_(0, rows, items * scales[:, None])
        return total


def gradient_norms(tower: TwoTower, batch: Batch, backprops: Tensor) -> Tensor:
    """The norms of `GradientSum.norms` for one batch; float32 [B]."""
    total = GradientSum(tower, batch.negatives)
    return total.norms(total.gradients(batch, backprops))
