"""Sums rest on kernels that treat rows alike: where they do not, nothing is trained."""

import numpy as np
import pytest
import torch

from recsys.errors import TrainingError
from tests.contracts.gradients.builders import (
    N_ITEMS,
    Silent,
    everyone,
    make_customers,
    make_objective,
    make_profile,
    start,
)
from training import alike
from training.engine import Engine
from training.norm_sampler import GradientSum


@pytest.fixture(autouse=True)
def nothing_passed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_PASSED", set())


def step(objective) -> None:
    rng = np.random.default_rng(0)
    Engine(objective).noised_gradient(start(objective), make_customers(9), everyone(), Silent(), rng=rng)


@pytest.mark.parametrize("profile", [None, make_profile()])
@pytest.mark.parametrize("negatives", [25, N_ITEMS])
def test_this_machine_treats_rows_alike(profile, negatives) -> None:
    step(make_objective(profile, negatives=negatives))
    assert len(alike._PASSED) == 1


def test_a_kernel_that_rounds_by_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = GradientSum.scores

    def scores(self, batch) -> torch.Tensor:
        found = real(self, batch)
        found[0] *= 1 + 2.0**-20
        return found

    monkeypatch.setattr(GradientSum, "scores", scores)
    with pytest.raises(TrainingError, match="by its place in the batch"):
        step(make_objective())
    assert not alike._PASSED


def test_a_shape_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    step(make_objective())
    monkeypatch.setattr(alike, "_made_up", None)
    step(make_objective())
