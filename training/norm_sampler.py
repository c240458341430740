"""The exact norm of every customer's gradient, without ever building the gradients ("ghost" norms)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recsys.towers.two_tower import TwoTower

SLACK = 1e-5  # of the squared norm: more than what float32 sums can lose


@torch.no_grad()
def gradient_norms(tower: TwoTower, activations: Sequence[Tensor], backprops: Tensor) -> Tensor:
    """L2 norm of each customer's gradient with respect to the whole table, rounded up; float32 [B].

    activations: the inputs of `TwoTower.forward`; backprops: c = dloss / doutput, [B, T + K].

    With u the customer and p = sum_j c_j v_j = dloss / du, row r of the table gets a_r u + b_r p, where
    a_r sums c_j * scale over the candidates that look r up, and b_r sums w_l * scale over the history. Hence
        norm^2 = |u|^2 sum a_r^2 + 2 (u . p) sum a_r b_r + |p|^2 sum b_r^2,
    exact however often a row is looked up: item twice, shared brand, target that is also in the history.
    The idea is that of Goodfellow (2015) and Li et al. (2022), here for the tied table.

    Guarantee: not below the true norm by more than float32 resolves (some 1e-7 of the scale of embeddings),
    as SLACK of the non-negative terms is added for rounding; so clipping by it bounds a customer's
    contribution by the clip norm. Handles B = 0.
    """
    negatives, history, weights, targets = activations
    batch, n_targets = targets.shape
    items = tower.items()
    users = tower.users(items, history, weights)
    to_targets, to_negatives = backprops[:, :n_targets], backprops[:, n_targets:]
    pulls = to_negatives @ items[negatives] + torch.einsum("bt,btd->bd", to_targets, items[targets])

    candidate = _spread(tower, negatives, to_negatives)
    where, what = _entries(tower, targets, to_targets)
    candidate.scatter_add_(0, where.flatten(), what.flatten())
    where, what = _entries(tower, history, weights)
    visible = torch.zeros_like(candidate).scatter_add_(0, where.flatten(), what.flatten())

    squares = candidate.view(len(tower.table), batch).square().sum(0).double() * _dot(users, users)
    squares += _dot(visible[where], what) * _dot(pulls, pulls)
    cross = _dot(candidate[where], what) * _dot(users, pulls)
    return (squares * (1.0 + SLACK) + 2.0 * cross).clamp(min=0.0).sqrt().float()


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return torch.einsum("bx,bx->b", left.double(), right.double())


def _spread(tower: TwoTower, items: Tensor, coefficients: Tensor) -> Tensor:
    """Coefficients [B, K] of items that all customers share, added up per table row; flat [rows * B]."""
    by_item = coefficients.T.contiguous()
    total = torch.zeros(len(tower.table), len(coefficients))
    for column in range(tower.rows.shape[1]):
        scale = tower.scales[items, column]
        total.index_add_(0, tower.rows[items, column], by_item * scale[:, None])
    return total.view(-1)


def _entries(tower: TwoTower, items: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """Where in a flat [rows * B] customers' own items [B, N] belong, and what they add; both [B, N * F]."""
    batch = len(items)
    column = torch.arange(batch)[:, None, None]
    where = tower.rows[items] * batch + column
    what = tower.scales[items] * coefficients[:, :, None]
    return where.flatten(1), what.flatten(1)
