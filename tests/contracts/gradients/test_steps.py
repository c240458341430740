"""A step is what the plan says: who is in it, how often noise is drawn and how much, and nothing more."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from recsys.errors import TrainingError
from recsys.features.sequences import Sequences
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from recsys.privacy.tally import Assumed
from tests.contracts.gradients.builders import (
    LENGTH,
    Silent,
    everyone,
    make_customers,
    make_objective,
    make_profile,
    start,
    without_row,
)
from training.engine import Engine

NOBODY = Sequences(np.zeros((0, LENGTH), np.int64), np.zeros((0, LENGTH), np.float32))


class Watched(Silent):
    """Real sampling, and a note of everything that was asked for."""

    def __init__(self):
        super().__init__()
        self.samples, self.noises = [], []

    def poisson_sample(self, n, rate):
        self.samples.append((n, rate, super().poisson_sample(n, rate)))
        return self.samples[-1][2]

    def normal(self, shape, std):
        self.noises.append((shape, std))
        return super().normal(shape, std)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_physical_batches_change_neither_the_result_nor_the_number_of_draws(size):
    objective, customers, watched = make_objective(), make_customers(90), Watched()
    whole = Engine(objective).noised_gradient(
        start(objective), customers, everyone(), Silent(), rng=np.random.default_rng(1)
    )
    parts = Engine(objective, size).noised_gradient(
        start(objective), customers, everyone(), watched, rng=np.random.default_rng(1)
    )
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-4, atol=1e-6)
    assert len(watched.tally.draws) == 1
    assert watched.tally.check(Assumed(everyone().event(), everyone().clip_norm), 67 * 8)
    assert watched.noises == [((67, 8), everyone().noise_std)]


@pytest.mark.parametrize("customers", [NOBODY, make_customers(1), make_customers(300)])
def test_noise_is_that_of_the_plan_even_if_nobody_is_sampled(customers):
    objective = make_objective(embedding_dim=64)
    plan = DpSgdPlan(clip_norm=0.3, noise_multiplier=2.0, sampling_rate=1e-9, steps=10)
    engine, noise = Engine(objective), SecureNoise()
    results = [engine.noised_gradient(start(objective), customers, plan, noise) for _ in range(25)]
    values = np.stack([result.values for result in results])
    assert values.std() == pytest.approx(0.6, rel=0.01)  # 107,200 draws: 1 % is 4.6 standard errors
    assert abs(values.mean()) < 0.01
    assert abs(np.corrcoef(values)[np.triu_indices(25, 1)]).max() < 0.1, "fresh noise in every step"
    assert noise.tally.draws == [(plan.noise_std, 67 * 64)] * 25


def test_every_row_of_the_table_gets_noise():
    objective = make_objective()
    plan = DpSgdPlan(clip_norm=0.3, noise_multiplier=1.0, sampling_rate=1e-9, steps=1)
    values = Engine(objective).noised_gradient(start(objective), NOBODY, plan, SecureNoise()).values
    assert (values.reshape(67, 8) != 0.0).all()


@pytest.mark.parametrize("profile", [None, make_profile()])
def test_what_ran_and_the_shape_are_the_same_without_one_customer(profile):
    objective, customers = make_objective(profile), make_customers(50)
    plan = DpSgdPlan(clip_norm=0.3, noise_multiplier=1.0, sampling_rate=0.3, steps=10)
    for watched, data in (
        (Watched(), customers),
        (Watched(), without_row(customers, 4)),
        (Watched(), NOBODY),
    ):
        result = Engine(objective, 7).noised_gradient(start(objective), data, plan, watched)
        facts = watched.tally.check(Assumed(plan.event(), plan.clip_norm), 67 * 8)
        assert facts == {
            "noise_std": 0.3,
            "noise_draws": 1,
            "coordinates": 67 * 8,
            "sampling_rate": 0.3,
            "samples": 1,
            "clip_norm": 0.3,
        }
        assert result.values.shape == (67 * 8,)
        assert result.values.dtype == np.float32
        assert [(n, rate) for n, rate, _ in watched.samples] == [(len(data), plan.sampling_rate)]
        assert watched.noises == [((67, 8), plan.noise_std)]


def test_batches_are_poisson_samples():
    n, rate, steps = 40, 0.3, 200
    objective, customers, watched = make_objective(embedding_dim=2, negatives=2), make_customers(n), Watched()
    plan = DpSgdPlan(clip_norm=0.3, noise_multiplier=1.0, sampling_rate=rate, steps=steps)
    for _ in range(steps):
        Engine(objective).noised_gradient(start(objective), customers, plan, watched)
    included = np.zeros((steps, n))
    for step, (_, _, sampled) in enumerate(watched.samples):
        included[step, sampled] = 1.0
    # Five standard errors each: a fixed-size or shuffled batch has no variance, a block has correlation.
    assert included.sum(1).var() == pytest.approx(n * rate * (1 - rate), rel=5 * np.sqrt(2 / steps))
    assert abs(included.mean(0) - rate).max() < 5 * np.sqrt(rate * (1 - rate) / steps)
    correlation = np.corrcoef(included.T)[np.triu_indices(n, 1)]
    assert abs(correlation).max() < 6 / np.sqrt(steps)


def test_the_sampled_customers_and_no_others_are_in_the_sum():
    objective, customers = make_objective(), make_customers(60)
    watched, plan = Watched(), DpSgdPlan(clip_norm=0.05, noise_multiplier=1.0, sampling_rate=0.4, steps=1)
    got = Engine(objective).noised_gradient(
        start(objective), customers, plan, watched, rng=np.random.default_rng(2)
    )
    chosen = watched.samples[0][2]
    alone = Sequences(customers.ids[chosen], customers.weights[chosen])
    expected = Engine(objective).noised_gradient(
        start(objective), alone, everyone(0.05), Silent(), rng=np.random.default_rng(2)
    )
    assert 0 < len(chosen) < 60
    assert np.array_equal(got.values, expected.values)


def test_no_global_generator_has_a_part_in_it():
    objective, customers = make_objective(), make_customers(60)
    plan = DpSgdPlan(clip_norm=0.05, noise_multiplier=1.0, sampling_rate=0.5, steps=1)
    results = []
    for noise in (Silent(), Silent(), SecureNoise(), SecureNoise()):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        results.append(Engine(objective).noised_gradient(start(objective), customers, plan, noise).values)
        assert torch.equal(torch.get_rng_state(), state)
        assert np.array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002
    for first, second in pairwise(results):
        assert not np.array_equal(first, second)


def test_a_step_that_fails_half_way_leaves_nothing_for_the_next():
    class Failing(Silent):
        def normal(self, shape, std):
            raise OSError("no entropy")

    objective, customers = make_objective(), make_customers(30)
    engine = Engine(objective, 7)
    with pytest.raises(OSError, match="no entropy"):
        engine.noised_gradient(start(objective), customers, everyone(), Failing())
    after, fresh = (
        one.noised_gradient(start(objective), customers, everyone(), Silent(), rng=np.random.default_rng(0))
        for one in (engine, Engine(objective, 7))
    )
    assert np.array_equal(after.values, fresh.values)


def test_parameters_are_not_changed():
    objective = make_objective()
    parameters = start(objective)
    before = parameters.copy()
    Engine(objective).noised_gradient(parameters, make_customers(20), everyone(), SecureNoise())
    assert np.array_equal(parameters, before)


@pytest.mark.parametrize("harm", [np.nan, np.inf, 1e30])
def test_parameters_that_diverged_are_refused_before_data_is_touched(harm):
    objective, watched = make_objective(), Watched()
    parameters = start(objective)
    parameters[5] = harm
    with pytest.raises(TrainingError, match="diverged"):
        Engine(objective).noised_gradient(parameters, make_customers(20), everyone(), watched)
    assert not watched.noises


def test_parameters_of_another_model_are_refused():
    with pytest.raises(TrainingError, match="67 x 8"):
        Engine(make_objective()).noised_gradient(
            np.zeros(5, np.float32), make_customers(5), everyone(), Silent()
        )
