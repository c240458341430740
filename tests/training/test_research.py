"""The non-private twin, and the floor of quality: what is learned beats popularity by far."""

import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.features.items import ItemFeatures
from recsys.features.sequences import Sequences
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from recsys.towers.two_tower import TowerConfig, initial_parameters, item_vectors
from tests.contracts.gradients.builders import make_customers, make_objective, one_by_one, start
from training.engine import Engine
from training.objective import Objective
from training.research import STAMP, ResearchOnly, plain_gradient, research_only, train_plain
from training.server_optimizer import ServerAdam

N_CUSTOMERS, N_ITEMS, N_GROUPS, LENGTH, STEPS, RATE = 3000, 200, 10, 12, 30, 0.1


@pytest.fixture(scope="module")
def world():
    """Customers who buy from two of ten groups of items; one item of each is held out."""
    random = np.random.default_rng(0)
    popularity = random.permutation(1.0 / (np.arange(N_ITEMS) + 5.0))
    groups = random.integers(0, N_GROUPS, N_ITEMS)
    keys = random.gumbel(size=(N_CUSTOMERS, N_ITEMS)) + np.log(popularity)
    liked = random.random((N_CUSTOMERS, N_GROUPS)).argsort(1)[:, :2]
    keys += np.where((groups[None, :, None] == liked[:, None, :]).any(2), 3.0, 0.0)
    bought = (-keys).argsort(1)[:, : LENGTH + 1]
    held_out = bought[np.arange(N_CUSTOMERS), random.integers(0, LENGTH + 1, N_CUSTOMERS)]
    ids = bought[bought != held_out[:, None]].reshape(N_CUSTOMERS, LENGTH)
    weights = np.full(ids.shape, 1 / np.sqrt(LENGTH), np.float32)
    counts = np.bincount(ids.ravel(), minlength=N_ITEMS) + 1.0
    rows = np.arange(N_ITEMS)[:, None].repeat(2, 1)
    rows[:, 1] = N_ITEMS
    objective = Objective(
        ItemFeatures(rows, N_ITEMS + 1),
        TowerConfig(embedding_dim=12),
        np.log(counts / counts.sum()).astype(np.float32),
    )
    return objective, Sequences(ids, weights), held_out


def recall_at_10(objective, sequences, held_out, parameters):
    if parameters is None:
        scores = np.tile(objective.log_popularity, (len(held_out), 1))
    else:
        vectors = item_vectors(objective.features, objective.config, parameters, objective.log_popularity)
        users = np.einsum("bl,bld->bd", sequences.weights, vectors[sequences.ids])
        scores = users @ vectors.T + objective.log_popularity
    np.put_along_axis(scores, sequences.ids, -np.inf, 1)
    return (scores.argsort(1)[:, -10:] == held_out[:, None]).any(1).mean()


def test_without_privacy_it_learns_what_belongs_together(world):
    objective, sequences, _ = world
    trained = train_plain(
        objective,
        sequences,
        research_only(research_data=True),
        steps=STEPS,
        sampling_rate=RATE,
        learning_rate=0.05,
    )
    popular = recall_at_10(*world, None)
    learned = recall_at_10(*world, trained.parameters)
    assert trained.stamp == STAMP
    assert learned > 1.5 * popular


def test_with_noise_it_still_beats_popularity(world):
    objective, sequences, _ = world
    plan = DpSgdPlan(clip_norm=0.3, noise_multiplier=0.3, sampling_rate=RATE, steps=STEPS)
    engine, noise, optimizer = Engine(objective), SecureNoise(), ServerAdam(0.05, STEPS)
    parameters = initial_parameters(objective.features, objective.config, seed=0)
    for _ in range(STEPS):
        noised = engine.noised_gradient(parameters, sequences, plan, noise)
        parameters = optimizer.step(parameters, noised.values / (RATE * N_CUSTOMERS))
    popular, learned = recall_at_10(*world, None), recall_at_10(*world, parameters)
    assert learned > 1.5 * popular


def test_the_plain_gradient_is_the_mean_of_the_customers_gradients():
    objective = make_objective()
    batch = objective.batch(make_customers(30), np.arange(30), np.random.default_rng(0))
    got = plain_gradient(objective, start(objective), batch, research_only(research_data=True))
    expected = one_by_one(objective, start(objective), batch).mean(0)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_nobody_has_no_gradient():
    objective = make_objective()
    batch = objective.batch(make_customers(0), np.arange(0), np.random.default_rng(0))
    got = plain_gradient(objective, start(objective), batch, research_only(research_data=True))
    assert not got.any()


def test_equal_seeds_give_equal_twins():
    objective, token = make_objective(), research_only(research_data=True)
    settings = {"steps": 3, "sampling_rate": 0.5, "learning_rate": 0.05}
    first, second, other = (
        train_plain(objective, make_customers(40), token, seed=seed, **settings).parameters
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_nothing_runs_without_the_token():
    objective = make_objective()
    batch = objective.batch(make_customers(5), np.arange(5), np.random.default_rng(0))
    with pytest.raises(ConfigError, match="--research-data"):
        research_only(research_data=False)
    with pytest.raises(ConfigError, match="--research-data"):
        ResearchOnly(object())
    with pytest.raises(ConfigError, match="research_only"):
        plain_gradient(objective, start(objective), batch, True)
    with pytest.raises(ConfigError, match="research_only"):
        train_plain(objective, make_customers(5), None, steps=1, sampling_rate=1.0, learning_rate=0.1)
