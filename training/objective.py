"""What the towers learn: a model of public shape, the examples it sees and the loss of each customer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.errors import TrainingError
from recsys.features.items import ItemFeatures
from recsys.features.profile import TasteProfile
from recsys.features.sequences import Sequences
from recsys.towers.losses import own_items_loss
from recsys.towers.two_tower import TowerConfig, TwoTower, table_shape
from training.batches import Batch, make_batch

# Below it no score, softmax or norm can overflow float32, whatever a customer's data are.
LARGEST_PARAMETER = 1e6


@dataclass(frozen=True)
class Objective:
    """Public facts alone: the model's shape and the published popularity.

    log_popularity: float32 [n_items], logarithm of the noised, published popularity; profile: tastes read off
    public features. Both are added to the scores, so that the towers learn what they do not say.
    Raises TrainingError if log_popularity is not one finite number per item, or the profile is of another
    catalogue or has a weight that is not finite.
    """

    features: ItemFeatures
    config: TowerConfig
    log_popularity: NDArray[np.float32]
    profile: TasteProfile | None = None

    def __post_init__(self) -> None:
        n_items = len(self.features.rows)
        if self.log_popularity.shape != (n_items,) or not np.isfinite(self.log_popularity).all():
            raise TrainingError(
                f"log_popularity of shape {list(self.log_popularity.shape)} is not one finite number for "
                f"each of {n_items} items; publish popularity for this catalogue first"
            )
        if self.profile is not None and not _usable(self.profile, n_items):
            raise TrainingError(
                f"the taste profile is not one of {n_items} items with weights below 1e6; correct [profile]"
            )

    def tower(self, parameters: NDArray[np.float32]) -> TwoTower:
        """The model with these parameters. Raises TrainingError if they are no table of usable numbers."""
        rows, columns = table_shape(self.features, self.config)
        if parameters.shape != (rows * columns,):
            raise TrainingError(
                f"parameters of shape {list(parameters.shape)}: this model has {rows} x {columns}; "
                "train with one catalogue and one configuration"
            )
        if not (np.abs(parameters) < LARGEST_PARAMETER).all():
            raise TrainingError("training diverged: a parameter is not below 1e6; lower learning_rate")
        return TwoTower(self.features, self.config, parameters, self.log_popularity)

    def batch(self, sequences: Sequences, customers: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """The examples of some customers, with random negatives."""
        return make_batch(sequences, customers, self.log_popularity, self.config, rng)

    def losses(self, score: Callable[..., Tensor], batch: Batch) -> Tensor:
        """Each customer's loss, [B]; score is a TwoTower, or stands for one."""
        return self.softmax_losses(score, batch)

    def softmax_losses(self, score: Callable[..., Tensor], batch: Batch) -> Tensor:
        """Cross-entropy of each customer's own items under the softmax over candidates, [B]."""
        scores = score(batch.negatives, batch.history, batch.weights)
        to_own, to_negatives = self._known(batch)
        return own_items_loss(
            scores,
            torch.from_numpy(self.log_popularity)[batch.history] + to_own,
            batch.bias + to_negatives,
            batch.is_own,
            (batch.rows, batch.columns),
        )

    def _known(self, batch: Batch) -> tuple[Tensor | float, Tensor | float]:
        """What taste profiles say of own items, each by the customer's other items, and of negatives."""
        if self.profile is None or not len(self.profile):
            return 0.0, 0.0
        ids = np.where(batch.is_own.numpy(), batch.history.numpy(), -1)
        users = self.profile.users(ids)
        return (
            torch.from_numpy(self.profile.others(ids)),
            torch.from_numpy(self.profile.scores(users, batch.negatives.numpy())),
        )


def _usable(profile: TasteProfile, n_items: int) -> bool:
    numbers = np.concatenate([profile.weight, profile.prior, profile.expected])
    return len(profile.columns) == n_items and bool((np.abs(numbers) < LARGEST_PARAMETER).all())
