"""Parameters that a server might choose: searched, so that the parts of customers' gradients cancel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from recsys.features.items import ItemFeatures
from recsys.features.sequences import Sequences
from recsys.towers.losses import HIDDEN
from recsys.towers.two_tower import TowerConfig, TwoTower, table_shape
from training.batches import Batch
from training.objective import LARGEST_PARAMETER, Objective

DIM, LENGTH = 64, 30
SCALES = 1.0, 30.0, 1e3, 0.9 * LARGEST_PARAMETER


SHAPES = (
    {"item_scale": 1.0, "feature_scale": 0.0},
    {"item_scale": 0.0, "feature_scale": 1.0},
    {"item_scale": 1e-3, "feature_scale": 1.0, "brands": 2},
    {"item_scale": 0.2, "feature_scale": 0.5},
)
"""What a server may ask for: where rows of features are all that counts, parts cancel in them."""


def an_objective(
    n_items: int, item_scale: float = 1.0, feature_scale: float = 0.5, brands: int = 7
) -> Objective:
    """A catalogue with brands, all of it compared with each customer's items."""
    random = np.random.default_rng(5)
    rows = random.integers(n_items, n_items + brands, (n_items, 2))
    features = ItemFeatures(np.concatenate([np.arange(n_items)[:, None], rows], 1), n_items + brands)
    config = TowerConfig(
        embedding_dim=DIM, negatives=n_items, item_scale=item_scale, feature_scale=feature_scale
    )
    return Objective(features, config, np.log(random.dirichlet(np.ones(n_items))).astype(np.float32))


def many_customers(n_items: int, customers: int, seed: int) -> Sequences:
    """Customers with 2 to LENGTH items of uneven weights."""
    random = np.random.default_rng(seed)
    length = min(LENGTH, n_items // 2)
    ids = random.integers(0, n_items, (customers, length))
    ids.sort(axis=1)
    ids[:, 1:][ids[:, 1:] == ids[:, :-1]] = -1
    ids[np.arange(length) >= random.integers(2, length + 1, customers)[:, None]] = -1
    weights = np.where(ids >= 0, random.random(ids.shape) + 0.01, 0.0)
    weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-9)
    return Sequences(ids, weights.astype(np.float32))


def starts(objective: Objective, seed: int) -> Iterator[np.ndarray]:
    """Where a search begins: any numbers, and rows that are all but equal, small and as large as is taken."""
    random = np.random.default_rng(seed)
    rows, columns = table_shape(objective.features, objective.config)
    for scale in SCALES:
        bits = 1.0 + random.integers(-8, 9, (rows, columns)) * 2.0**-23
        yield (random.uniform(-0.9, 0.9, columns) * scale * bits).astype(np.float32).ravel()
        yield (random.normal(0.0, 0.2, rows * columns) * scale).astype(np.float32)


def searched(
    objective: Objective, customers: Sequences, start: np.ndarray, steps: int, seed: int
) -> np.ndarray:
    """Parameters nearby under which gradients cancel more: what is added up is large, what is left is small.

    Climbs the ratio of (squared parts of some customers' gradients, item by item) over (squared gradients of
    the table), by its own gradient. Steps are taken in units of the start's size.
    """
    random = np.random.default_rng(seed)
    some = random.choice(len(customers), 6, replace=False)
    batch = objective.batch(customers, np.sort(some), random)
    tower = objective.tower(start)
    size = float(np.abs(start).max())
    table = torch.from_numpy(start.reshape(tower.table.shape).astype(np.float32) / size).requires_grad_()
    best, found = -np.inf, start
    optimizer = torch.optim.Adam([table], lr=0.02)
    for _ in range(steps):
        ratio = _cancelling(objective, tower, batch, table * size)
        if not torch.isfinite(ratio):
            break
        if ratio.item() > best:
            best, found = ratio.item(), (table.detach() * size).numpy().ravel().astype(np.float32)
        optimizer.zero_grad()
        (-ratio).backward()
        table.grad.nan_to_num_(0.0, 0.0, 0.0)
        optimizer.step()
    return np.clip(found, -0.99 * LARGEST_PARAMETER, 0.99 * LARGEST_PARAMETER)


def _cancelling(objective: Objective, tower: TwoTower, batch: Batch, table: torch.Tensor) -> torch.Tensor:
    """Sum over customers of the logarithm of the ratio; in operations that can be derived twice."""
    items = (table[tower.rows] * tower.scales[..., None]).sum(1)
    total = torch.zeros(())
    for one in batch.chunks(1):
        shown = one.is_own[0]
        ids = one.history[0][shown]
        own, weights = items[ids], one.weights[0][shown][:, None]
        user = (weights * own).sum(0)
        to_own = (own * (user - weights * own)).sum(1) + torch.from_numpy(objective.log_popularity)[ids]
        others = (items @ user + one.bias).index_fill(0, ids, HIDDEN)
        loss = torch.cat([to_own, others]).logsumexp(0) - to_own.mean()
        by_item, by_row = torch.autograd.grad(loss, [items, table], create_graph=True)
        total = total + (by_item.abs().sum() + 1e-20).log() - 0.5 * (by_row.square().sum() + 1e-20).log()
    return total
