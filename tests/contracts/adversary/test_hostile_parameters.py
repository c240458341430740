"""A server chooses parameters under which rounding decides: one customer still moves the sum by the bound."""

import numpy as np
import pytest

from recsys.features.items import ItemFeatures
from recsys.features.sequences import Sequences
from recsys.towers.two_tower import TowerConfig, table_shape
from tests.contracts.gradients.builders import Silent, everyone, without_row
from training.engine import Engine
from training.objective import LARGEST_PARAMETER, Objective

N_ITEMS, LENGTH = 500, 30


def hostile_objective():
    random = np.random.default_rng(5)
    brands = random.integers(N_ITEMS, N_ITEMS + 7, (N_ITEMS, 2))
    features = ItemFeatures(np.concatenate([np.arange(N_ITEMS)[:, None], brands], 1), N_ITEMS + 7)
    config = TowerConfig(embedding_dim=16, negatives=N_ITEMS, item_scale=1.0, feature_scale=0.0)
    return Objective(features, config, np.log(random.dirichlet(np.ones(N_ITEMS))).astype(np.float32))


def nearly_equal_items(objective, scale, random):
    """Embeddings a few last bits apart, so that every comparison of items is decided by rounding."""
    shape = table_shape(objective.features, objective.config)
    bits = 1 + random.integers(-8, 9, size=shape) * 2.0**-23
    return (random.uniform(-0.9, 0.9, shape[1]) * scale * bits).astype(np.float32).ravel()


def many_items(customers, random):
    ids = random.random((customers, N_ITEMS)).argsort(1)[:, :LENGTH].astype(np.int64)
    weights = random.random(ids.shape)
    return Sequences(ids, (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("scale", [1e3, 0.9 * LARGEST_PARAMETER])
@pytest.mark.parametrize("customers", [2, 4, 8, 12, 13])
def test_rounding_is_the_same_whoever_else_is_in_the_batch(customers, scale):
    objective, clip = hostile_objective(), 0.3
    for seed in range(4):
        random = np.random.default_rng(seed)
        parameters, everybody = nearly_equal_items(objective, scale, random), many_items(customers, random)
        with_it, without = (
            Engine(objective)
            .noised_gradient(parameters, some, everyone(clip), Silent(), rng=np.random.default_rng(3))
            .values.astype(np.float64)
            for some in (everybody, without_row(everybody, -1))
        )
        assert np.linalg.norm(with_it - without) <= clip * (1 + 1e-3)
