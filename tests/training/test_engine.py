from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys.errors import TrainingError
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from tests.contracts.gradients.builders import (
    N_ITEMS,
    Silent,
    everyone,
    make_customers,
    make_objective,
    make_profile,
    start,
)
from training.engine import Engine
from training.objective import Objective


@pytest.mark.parametrize(
    "popularity", [np.zeros(N_ITEMS - 1), np.full(N_ITEMS, -np.inf), np.zeros((N_ITEMS, 1))]
)
def test_popularity_of_another_catalogue_is_refused(popularity):
    objective = make_objective()
    with pytest.raises(TrainingError, match="not one finite number for each of 60 items"):
        Objective(objective.features, objective.config, popularity.astype(np.float32))


@pytest.mark.parametrize("changes", [{"weight": np.full(7, np.nan)}, {"columns": np.zeros((9, 2), np.int64)}])
def test_a_taste_profile_that_is_not_usable_is_refused(changes):
    with pytest.raises(TrainingError, match="taste profile"):
        make_objective(replace(make_profile(), **changes))


def test_popularity_is_part_of_the_scores():
    objective = make_objective()
    even = Objective(objective.features, objective.config, np.zeros(N_ITEMS, np.float32))
    customers, rng = make_customers(30), np.random.default_rng
    results = [
        Engine(one).noised_gradient(start(one), customers, everyone(), Silent(), rng=rng(0)).values
        for one in (objective, even)
    ]
    assert not np.allclose(*results)


def test_a_loss_that_is_not_one_number_per_customer_is_refused():
    class TwoDimensional(Objective):
        def losses(self, score, batch):
            return super().losses(score, batch)[:, None]

    objective = make_objective()
    wrong = TwoDimensional(objective.features, objective.config, objective.log_popularity)
    with pytest.raises(TrainingError, match="one per customer"):
        Engine(wrong).noised_gradient(start(wrong), make_customers(9), everyone(), Silent())


def test_what_is_released_is_finite_float32_and_belongs_to_the_caller():
    objective = make_objective()
    plan = DpSgdPlan(clip_norm=0.05, noise_multiplier=1.0, sampling_rate=0.5, steps=3)
    values = (
        Engine(objective).noised_gradient(start(objective), make_customers(20), plan, SecureNoise()).values
    )
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert values.flags.writeable
    assert not isinstance(values, torch.Tensor)
