"""The two-tower model: one table of embeddings for what a customer has and for what could be recommended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recsys.errors import ConfigError
from recsys.features.items import ItemFeatures
from recsys.seeds import rng


@dataclass(frozen=True)
class TowerConfig:
    """Public constants of the towers and of the task that they learn.

    embedding_dim: entries of an embedding
    item_scale: weight of an item's own row in its embedding: small where noise would drown what single items
        say; 1 in catalogues whose features tell no items apart
    feature_scale: weight of a brand's, category's, department's or price tier's row in it
    init_scale: standard deviation of the initial embeddings
    mask_share: share of a customer's items that is hidden in a step and has to be predicted
    max_targets: most items hidden in a step
    negatives: items of the public catalogue that targets are compared with: all of them if the catalogue has
        no more, otherwise so many draws by published popularity
    """

    embedding_dim: int = 32
    item_scale: float = 1.0
    feature_scale: float = 0.5
    init_scale: float = 0.1
    mask_share: float = 0.3
    max_targets: int = 15
    negatives: int = 4096

    def __post_init__(self) -> None:
        for name in ("embedding_dim", "max_targets", "negatives"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0.0 < self.mask_share < 1.0:
            raise ConfigError(f"mask_share is {self.mask_share}; it must be between 0 and 1")
        for name in ("item_scale", "feature_scale", "init_scale"):
            if not 0.0 <= getattr(self, name) <= 10.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be between 0 and 10")


def table_shape(features: ItemFeatures, config: TowerConfig) -> tuple[int, int]:
    """Rows and columns of the one table that is learned; its flat form is what travels between machines."""
    return features.table_size, config.embedding_dim


def initial_parameters(features: ItemFeatures, config: TowerConfig, seed: int) -> NDArray[np.float32]:
    """The flat table before training: normal entries from a public seed; float32 [rows * embedding_dim]."""
    drawn = rng(seed, "towers", "init").normal(0.0, config.init_scale, table_shape(features, config))
    return drawn.astype(np.float32).ravel()


class TwoTower(nn.Module):
    """Scores candidates for customers from one table E.

    An item is v_i = item_scale * E[item] + feature_scale * (sum of E[its features]); a customer is the sum
    of the visible items, u = sum_l w_l v_l with weights of L2 norm 1; the score is u . v_j: asymmetric matrix
    factorisation (Paterek 2007) with one table for both sides, and nothing else to learn.

    The table is read in `forward` alone, so that the gradient of one customer is known in closed form from
    the module's inputs and the gradient of its output (`training.norm_sampler`).
    """

    def __init__(self, features: ItemFeatures, config: TowerConfig, parameters: NDArray[np.float32]) -> None:
        super().__init__()
        self.config = config
        # Plain attributes: public constants, not state. Opacus refuses buffers: they could hold data.
        self.rows = torch.from_numpy(features.rows)
        self.scales = _scales(self.rows, config)
        table = torch.from_numpy(parameters.reshape(table_shape(features, config)).copy())
        self.table = nn.Parameter(table)

    def items(self) -> Tensor:
        """The embeddings of all items; [n_items, embedding_dim]."""
        return functional.embedding_bag(self.rows, self.table, per_sample_weights=self.scales, mode="sum")

    @staticmethod
    def users(items: Tensor, history: Tensor, weights: Tensor) -> Tensor:
        """The embeddings of customers; [B, embedding_dim].

        items: [n_items, embedding_dim]; history: int64 [B, L], any item where there is none;
        weights: [B, L], 0 where there is no item, so that padding has no part in values or gradients.
        """
        return functional.embedding_bag(history, items, per_sample_weights=weights, mode="sum")

    def forward(self, negatives: Tensor, history: Tensor, weights: Tensor, targets: Tensor) -> Tensor:
        """u . v of each customer's own targets, then of the negatives, the same for all; [B, T + K].

        negatives: int64 [K]; history, weights: [B, L] as in `users`; targets: int64 [B, T].
        """
        items = self.items()
        users = self.users(items, history, weights)
        to_targets = (functional.embedding(targets, items) * users[:, None, :]).sum(2)
        return torch.cat([to_targets, users @ functional.embedding(negatives, items).T], 1)


def _scales(rows: Tensor, config: TowerConfig) -> Tensor:
    """The weight of every row in an item's embedding; [n_items, F]."""
    scales = torch.full(rows.shape, config.feature_scale)
    features = rows[:, 1:]
    described = bool((features != features[:1]).any())
    scales[:, 0] = config.item_scale if described else 1.0
    return scales


def item_vectors(
    features: ItemFeatures, config: TowerConfig, parameters: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The items' embeddings for publication; float32 [n_items, embedding_dim]."""
    with torch.no_grad():
        vectors: NDArray[np.float32] = TwoTower(features, config, parameters).items().numpy()
    return vectors
