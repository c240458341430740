"""The two-tower model: one table of embeddings for what a customer has and for what could be recommended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recsys.errors import ConfigError
from recsys.features.items import CATEGORY, DEPARTMENT, ItemFeatures
from recsys.seeds import rng

DEPARTMENT_PART = 0.5  # of what items start with in common, beside their category's 1: measured on Instacart


@dataclass(frozen=True)
class TowerConfig:
    """Public constants of the towers and of the task that they learn.

    embedding_dim: entries of an embedding
    item_scale: weight of an item's own row in its embedding: small where noise would drown what single items
        say; 1 in catalogues whose features tell no items apart
    feature_scale: weight of a brand's, category's, department's or price tier's row in it
    popularity_power, full_rank: an item's own row counts by (p_i / p of rank full_rank)^power too, at most 1:
        of what a customer may add, and of the noise, rare items' rows take less
    init_scale: standard deviation of the initial embeddings
    init_shared: share of the variance of an item's initial row that it has in common with the items of its
        category and department: what the catalogue knows is there before anything is learned, where otherwise
        the first steps have nothing to go by, and are mostly noise
    gradient_shared: how much of its category's gradient is added to an item's own (`category_gradient`)
    negatives: items of the public catalogue that a customer's items are compared with: all of them if the
        catalogue has no more, otherwise so many draws by published popularity
    """

    embedding_dim: int = 32
    item_scale: float = 1.0
    feature_scale: float = 0.5
    popularity_power: float = 0.0
    full_rank: int = 300
    init_scale: float = 0.1
    init_shared: float = 0.0
    gradient_shared: float = 0.0
    negatives: int = 4096

    def __post_init__(self) -> None:
        for name in ("embedding_dim", "negatives", "full_rank"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("item_scale", "feature_scale", "init_scale", "popularity_power", "gradient_shared"):
            if not 0.0 <= getattr(self, name) <= 10.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be between 0 and 10")
        if not 0.0 <= self.init_shared <= 1.0:
            raise ConfigError(f"init_shared is {self.init_shared}; it must be between 0 and 1")


def table_shape(features: ItemFeatures, config: TowerConfig) -> tuple[int, int]:
    """Rows and columns of the one table that is learned; its flat form is what travels between machines."""
    return features.table_size, config.embedding_dim


def initial_parameters(features: ItemFeatures, config: TowerConfig, seed: int) -> NDArray[np.float32]:
    """The flat table before training: normal entries from a public seed; float32 [rows * embedding_dim].

    With `init_shared` items start near the rows of their category and department, if these tell items apart.
    A function of the public catalogue and a public seed.
    """
    drawn = rng(seed, "towers", "init").normal(0.0, config.init_scale, table_shape(features, config))
    if config.init_shared > 0.0:
        drawn[features.rows[:, 0]] = _near_their_like(drawn, features, config.init_shared)
    return drawn.astype(np.float32).ravel()


def _near_their_like(
    drawn: NDArray[np.float64], features: ItemFeatures, shared: float
) -> NDArray[np.float64]:
    """Rows that mix each item's own with its category's and department's, of the same variance."""
    own, places = drawn[features.rows[:, 0]], features.rows[:, [CATEGORY, DEPARTMENT]]
    if (places == places[0]).all():
        return own
    common = drawn[places[:, 0]] + DEPARTMENT_PART * drawn[places[:, 1]]
    common /= np.sqrt(1.0 + DEPARTMENT_PART**2)
    return np.asarray(np.sqrt(1.0 - shared) * own + np.sqrt(shared) * common)


class TwoTower(nn.Module):
    """Scores candidates for customers from one table E. log_popularity: float32 [n_items], published.

    An item is v_i = item_scale * E[item] + feature_scale * (sum of E[its features]); a customer is the sum
    of the items, u = sum_l w_l v_l with weights of L2 norm 1; the score is u . v_j: asymmetric matrix
    factorisation (Paterek 2007) with one table for both sides, and nothing else to learn. A customer's own
    item is scored by the customer's other items, (u - w_l v_l) . v_l: every item is learned from all others
    in one pass, without hiding any (the pseudo-likelihood of Besag 1975).

    The gradient of one customer is known in closed form from the inputs of `forward` and the gradient of its
    output (`training.norm_sampler`).
    """

    def __init__(
        self,
        features: ItemFeatures,
        config: TowerConfig,
        parameters: NDArray[np.float32],
        log_popularity: NDArray[np.float32],
    ) -> None:
        super().__init__()
        self.config = config
        # Plain attributes: public constants, not state. Opacus refuses buffers: they could hold data.
        self.rows = torch.from_numpy(features.rows)
        self.scales = _scales(self.rows, config, torch.from_numpy(log_popularity))
        table = torch.from_numpy(parameters.reshape(table_shape(features, config)).copy())
        self.table = nn.Parameter(table)

    def items(self) -> Tensor:
        """The embeddings of all items; [n_items, embedding_dim]."""
        return functional.embedding_bag(self.rows, self.table, per_sample_weights=self.scales, mode="sum")

    def forward(self, negatives: Tensor, history: Tensor, weights: Tensor) -> Tensor:
        """Each customer's own items by the others, then u . v of the negatives, the same for all; [B, L + K].

        negatives: int64 [K]; history: int64 [B, L], any item where there is none; weights: [B, L], 0 where
        there is no item, so that padding has no part in values or gradients.
        """
        items = self.items()
        own = functional.embedding(history, items)
        users = torch.einsum("bl,bld->bd", weights, own)
        to_own = torch.einsum("bld,bd->bl", own, users) - weights * own.square().sum(2)
        return torch.cat([to_own, users @ functional.embedding(negatives, items).T], 1)


def _scales(rows: Tensor, config: TowerConfig, log_popularity: Tensor) -> Tensor:
    """The weight of every row in an item's embedding; [n_items, F]."""
    scales = torch.full(rows.shape, config.feature_scale)
    features = rows[:, 1:]
    described = bool((features != features[:1]).any())
    full = log_popularity.sort(descending=True).values[min(config.full_rank, len(rows)) - 1]
    share = (config.popularity_power * (log_popularity - full).clamp(max=0.0)).exp()
    scales[:, 0] = (config.item_scale if described else 1.0) * share
    return scales


def item_vectors(
    features: ItemFeatures,
    config: TowerConfig,
    parameters: NDArray[np.float32],
    log_popularity: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The items' embeddings for publication; float32 [n_items, embedding_dim]."""
    with torch.no_grad():
        tower = TwoTower(features, config, parameters, log_popularity)
        vectors: NDArray[np.float32] = tower.items().numpy()
    return vectors
