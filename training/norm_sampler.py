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

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys.towers.two_tower import TwoTower
from training.batches import Batch
from training.exact_sum import OWN_RANGE, RANGE, factor_steps, grid_step, put_on_steps
from training.own_items import OwnItems
from training.shared_rows import SharedRows, row_norms
from training.table_sum import TableSum

SLACK = 1e-6  # of the squared terms: more than what is lost where float32 products enter float64 sums
MARGIN = 1 - 2.0**-20  # of the bound: coefficients and the table's entries are rounded by less


@dataclass(frozen=True)
class Gradients:
    """The gradients of B customers as factors.

    users: u, [B, d]; to_negatives: c, [B, K], multiples of `steps`, float64 [B]; sizes: their norms,
    float64 [B]; own: g, [P, d], of the entries of `entries`
    """

    users: Tensor
    to_negatives: Tensor
    steps: Tensor
    sizes: Tensor
    own: Tensor
    entries: OwnItems


class GradientSum:
    """Adds up clipped gradients of one step, chunk by chunk, for a model whose parameters stand still.

    Guarantee: whatever the parameters are, a customer's part of the sum is a function of that customer's row
    of a chunk and of public numbers, and its L2 norm is at most `clip_norm` if its coefficient is at most
    `clip_norm` over its bound. Parts are added up exactly (`training.exact_sum`), so that the sum does not
    depend on their order and removing a customer removes just that customer's part. The table of the sum is
    rounded once to float64.
    """

    def __init__(self, tower: TwoTower, negatives: Tensor, clip_norm: float) -> None:
        self.tower = tower
        with torch.no_grad():
            self.items = tower.items()
        self.negatives = negatives
        whole = len(negatives) == len(self.items) and bool((negatives == torch.arange(len(negatives))).all())
        self.candidates = self.items if whole else self.items[negatives]
        self.shared = SharedRows(tower, negatives)
        self._used = tower.scales.any(0)
        self._clip_norm = clip_norm
        self._sum = TableSum(tower, negatives, grid_step(clip_norm))

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
        """backprops: c = dloss / dscores, [B, L + K]; rounded in place, to negatives, to steps of their size."""
        entries, length = OwnItems.of(batch), batch.history.shape[1]
        customers, weights = entries.customers, entries.weights[:, None]
        to_own = backprops[customers, entries.positions][:, None]
        to_negatives = backprops[:, length:]
        sizes = row_norms(to_negatives)
        steps = factor_steps(sizes)
        put_on_steps(to_negatives, steps)
        sizes = sizes + steps * (math.sqrt(len(self.candidates)) / 2.0)
        own, users = self._users(entries)
        pulls = to_negatives @ self.candidates + entries.by_customer(to_own * own)
        pushed = to_own * users[customers] + weights * pulls[customers]
        pushed -= (2.0 * weights * to_own) * own
        return Gradients(users, to_negatives, steps, sizes, pushed, entries)

    def _users(self, entries: OwnItems) -> tuple[Tensor, Tensor]:
        """The embeddings of the entries' items, [P, d], and of the customers, [B, d]."""
        own = self.items[entries.items]
        return own, entries.by_customer(entries.weights[:, None] * own)

    def norms(self, found: Gradients) -> Tensor:
        """L2 norm of each customer's gradient with respect to the whole table, rounded up; float32 [B].

        Guarantee: not below the true norm by more than float32 resolves (some 1e-7 of the scale of
        embeddings), as SLACK of the non-negative terms is added for rounding. Handles B = 0.
        """
        return self._sizes(found)[0].float()

    @torch.no_grad()
    def bounds(self, found: Gradients) -> Tensor:
        """What to clip by: norms, and more where the grid or the range of the sum asks for it; float64 [B].

        Guarantee: times a coefficient of at most clip norm / bound, each customer's part on the grid is at
        most the clip norm long, and before parts of the gradient cancel within the range of the sum: what
        goes to negatives is at most RANGE clip norms long, what goes to own items OWN_RANGE, item by item.
        """
        norms, spread = self._sizes(found)
        entries, clip = found.entries, self._clip_norm
        users = found.users.double().norm(dim=1)
        norms = norms + self.shared.lost * spread * users
        own = found.own.double().norm(dim=1)
        lengths = self.tower.scales.double().norm(dim=1)[entries.items]
        off = spread / found.steps + entries.by_customer(lengths)
        off *= grid_step(clip) * math.sqrt(found.users.shape[1]) / 2.0
        room = (MARGIN * clip - off).clamp(min=0.0)
        largest = torch.stack(
            [
                norms * clip / room,
                found.sizes * users / RANGE,
                entries.by_customer(own) / OWN_RANGE,
            ]
        ).amax(0)
        return torch.where(norms > 0.0, largest, norms)

    @torch.no_grad()
    def _sizes(self, found: Gradients) -> tuple[Tensor, Tensor]:
        """The norms, and |X|; float64 [B]."""
        entries, users = found.entries, found.users.double()
        spread = self.shared.spread(found.to_negatives, found.sizes)
        size = spread.squares()
        squares = size * users.square().sum(1) + self._own_squares(found)
        along = (found.own.double() * users[entries.customers]).sum(1)
        cross = entries.by_customer(spread.at(entries.customers, entries.items) * along)
        return (squares * (1.0 + SLACK) + 2.0 * cross).clamp(min=0.0).sqrt(), size.sqrt()

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
        factors = coefficients.double()[:, None]
        kept, customers = factors > 0.0, found.entries.customers
        users = torch.where(kept, found.users * factors, 0.0)
        own = torch.where(kept[customers], found.own * factors[customers], 0.0)
        if not kept.all():
            found.to_negatives[~kept[:, 0]] = 0.0
        self._sum.add_negatives(users, found.to_negatives, found.steps)
        self._sum.add_own(found.entries.items, own)

    def table(self) -> Tensor:
        """The sum so far, as the gradient of the table; float64 [rows, embedding_dim]."""
        return self._sum.table()


def gradient_norms(tower: TwoTower, batch: Batch, backprops: Tensor) -> Tensor:
    """The norms of `GradientSum.norms` for one batch; float32 [B]."""
    total = GradientSum(tower, batch.negatives, clip_norm=1.0)
    return total.norms(total.gradients(batch, backprops))
