from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import PlanError
from recsys.privacy import calibration
from recsys.privacy.accountant import clt_mu_squared
from recsys.privacy.events import PrivacyEvent


@given(st.floats(1e-3, 1e3), st.floats(0.2, 6.0), st.floats(1e-3, 1e3))
def test_the_search_ends_just_below_the_target(target: float, power: float, guess: float) -> None:
    scale = calibration.largest_scale(lambda s: s**power, target, guess)
    assert target * (1 - calibration.TOLERANCE) <= scale**power <= target


def test_few_evaluations_are_needed() -> None:
    asked: list[float] = []

    def cost(scale: float) -> float:
        asked.append(scale)
        return scale + scale * scale / 2

    calibration.largest_scale(cost, 4.0, 1.5)
    assert len(asked) <= 5


def test_a_cost_that_jumps_gives_the_side_below() -> None:
    scale = calibration.largest_scale(lambda s: 1.0 if s < 3 else 10.0, 5.0, 1.0)
    assert 2.9 < scale < 3


@pytest.mark.parametrize("cost", [0.0, 10.0])
def test_no_solution_is_said(cost: float) -> None:
    if cost:
        with pytest.raises(PlanError, match="no noise level"):
            calibration.largest_scale(lambda _: cost, 5.0, 1.0)
    else:
        assert calibration.largest_scale(lambda _: cost, 5.0, 1.0) > 1.0


@given(st.floats(1e-3, 10.0), st.floats(0.001, 1.0), st.integers(1, 10_000))
def test_the_split_rule_inverts(mu: float, rate: float, steps: int) -> None:
    noise = calibration.dpsgd_noise(mu * mu, rate, steps)
    assert clt_mu_squared(PrivacyEvent(noise, rate, steps)) == pytest.approx(mu * mu, rel=1e-6)


def test_the_first_guess_inverts_the_tail_bound() -> None:
    mu = calibration.first_guess(3.0, 1e-6)
    assert calibration.gaussian_dp_epsilon(mu, 1e-6) == pytest.approx(3.0)
    assert calibration.gaussian_noise(mu * mu) == pytest.approx(1 / mu)
    assert math.isfinite(calibration.first_guess(1e-3, 0.5))
