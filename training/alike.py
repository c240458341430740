"""Whether this machine's kernels treat all rows of a batch alike, which sums of customers' parts rest on.

Products of matrices may round a row by its place among the others: the edges of a block can take other
instructions. Then a customer's part would depend on who else was sampled. Made-up customers tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from recsys.errors import TrainingError
from recsys.features.sequences import Sequences
from recsys.towers.two_tower import TwoTower, table_shape
from training.batches import Batch
from training.norm_sampler import Gradients
from training.objective import Objective

SHIFTS = 1, 7
Compute = Callable[[TwoTower, Batch], tuple[Gradients, Tensor]]
_PASSED: set[tuple[int, ...]] = set()


def require_alike(objective: Objective, customers: int, length: int, compute: Compute) -> None:
    """Compute the gradients of so many made-up customers, then in other places: once for each shape.

    length: items of a row; compute: the gradients of a batch and what they are clipped by, as in a step.
    Reads public shapes alone. Raises TrainingError if a customer's numbers differ in any bit.
    """
    profile = 0 if objective.profile is None else len(objective.profile)
    size = table_shape(objective.features, objective.config)
    shape = (*size, objective.config.negatives, profile, customers, length, torch.get_num_threads())
    if shape in _PASSED:
        return
    random = np.random.default_rng(0)
    tower = objective.tower(random.normal(size=size[0] * size[1]).astype(np.float32))
    batch = objective.batch(_made_up(objective, customers, length), np.arange(customers), random)
    expected = _numbers(*compute(tower, batch))
    for shift in SHIFTS:
        moved = _numbers(*compute(tower, _rolled(batch, shift)))
        same = (torch.equal(a.roll(-shift, 0), b) for a, b in zip(moved, expected, strict=True))
        if not all(same):
            raise TrainingError(
                "this machine's matrix products round a customer's gradient by its place in the batch, so a "
                "sum would depend on who else is in it; use another build of torch, or set OMP_NUM_THREADS=1"
            )
    _PASSED.add(shape)


def _made_up(objective: Objective, customers: int, length: int) -> Sequences:
    random, n_items = np.random.default_rng(1), len(objective.log_popularity)
    ids = random.integers(0, n_items, (customers, length))
    ids[:, 2:][random.random((customers, max(length - 2, 0))) < 0.5] = -1
    return Sequences(ids, np.where(ids >= 0, random.random(ids.shape) + 0.1, 0.0).astype(np.float32))


def _rolled(batch: Batch, shift: int) -> Batch:
    """The same customers, each so many places further on."""
    rows = (batch.rows + shift) % len(batch)
    order = rows.argsort(stable=True)
    moved = {name: getattr(batch, name).roll(shift, 0) for name in ("history", "weights", "is_own")}
    return replace(batch, **moved, rows=rows[order], columns=batch.columns[order])


def _numbers(found: Gradients, bounds: Tensor) -> tuple[Tensor, ...]:
    own = found.entries.by_customer(found.own)
    return found.users, found.to_negatives, found.steps, own, bounds
