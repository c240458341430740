"""Synthetic customers whose traces can be found: canaries, each with two items that nobody else has.

They stand for the one customer about whom the adversary of the claim wants to know. No real customer's record
is read, so an audit costs nobody's budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.features.items import ItemFeatures
from recsys.features.sequences import Sequences
from recsys.towers.two_tower import TowerConfig, initial_parameters
from training.objective import Objective

COMMON_ITEMS = 200
RARE = 1e-12  # popularity of a canary's item: never drawn as a negative
STAMP = "synthetic canaries; nobody's budget"


@dataclass(frozen=True)
class CanaryWorld:
    """`count` canaries: canary j has the items 2j and 2j + 1; all other items are bought by nobody.

    A canary's gradient is, up to some percent, -(v_b, v_a) on the rows of its items a and b, whichever of the
    two is hidden: the loss falls with v_a . v_b and is symmetric in both. Rows of different canaries are
    disjoint, so their gradients are nearly orthogonal.
    """

    count: int
    embedding_dim: int = 4
    negatives: int = 128

    @cached_property
    def objective(self) -> Objective:
        """The towers' objective over the canaries' items and 200 common ones, all without features."""
        n_items = 2 * self.count + COMMON_ITEMS
        popularity = np.full(n_items, RARE)
        popularity[2 * self.count :] = (1.0 - 2 * self.count * RARE) / COMMON_ITEMS
        features = ItemFeatures(np.arange(n_items)[:, None], n_items)
        config = TowerConfig(embedding_dim=self.embedding_dim, negatives=self.negatives, init_scale=1.0)
        return Objective(features, config, np.log(popularity).astype(np.float32))

    def parameters(self, seed: int = 0) -> NDArray[np.float32]:
        """A public table to start from: common items at zero, so that they pull canaries nowhere."""
        table = initial_parameters(self.objective.features, self.objective.config, seed)
        table[2 * self.count * self.embedding_dim :] = 0.0
        return table

    def sequences(self, inside: NDArray[np.bool_]) -> Sequences:
        """What the silo has when these canaries (bool [count]) are its customers."""
        first = 2 * np.flatnonzero(inside)
        ids = np.stack([first, first + 1], axis=1).astype(np.int64)
        return Sequences(ids, np.full(ids.shape, 0.5**0.5, np.float32))

    def scores(self, release: NDArray[np.float32], parameters: NDArray[np.float32]) -> NDArray[np.float64]:
        """<noised sum, direction of canary j's gradient at these parameters> for every j; float64 [count]."""
        rows = self.count, 2, self.embedding_dim
        own = 2 * self.count * self.embedding_dim
        vectors = parameters[:own].reshape(rows).astype(np.float64)
        directions = -vectors[:, ::-1]
        lengths = np.sqrt(np.square(directions).sum((1, 2)))
        found = (release[:own].reshape(rows).astype(np.float64) * directions).sum((1, 2))
        return np.asarray(found / np.maximum(lengths, 1e-12))
