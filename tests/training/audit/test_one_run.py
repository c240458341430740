"""Canaries in one training of the real code: the correct build keeps its claim, broken builds are exposed."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.evidence.bars import Bar
from recsys.errors import PlanError
from recsys.privacy.plan import calibrate
from recsys.privacy.releases import DpSgdPlan
from tests.training.audit.broken import Halved, Quartered, Silent
from training.audit.canaries import CanaryWorld
from training.audit.one_run import (
    CONFIDENT,
    FALSE_ALARM,
    Attacked,
    attacked_run,
    guesses,
    judge,
    log_likelihood_ratio,
    one_run_plan,
    p_values,
)

DELTA = 1e-6
FEW, FULL = 500, 5000


@pytest.mark.evidence
@pytest.mark.parametrize("claim", [1.0, 2.0, 4.0, 8.0])
def test_the_correct_build_keeps_its_claim(claim, counted, evidence):
    canaries = counted(FEW, FULL)
    plan = one_run_plan(claim, DELTA, canaries)
    if canaries == FEW:
        curve_p, separation_p = p_values(attacked_run(CanaryWorld(canaries), plan), plan)
    else:
        result = judge(attacked_run(CanaryWorld(canaries), plan), plan)
        curve_p, separation_p = result.curve_p, result.separation_p
        assert result.finding.ok
        evidence(
            f"one-run audit at epsilon {claim:g}, correct build, {canaries:,} canaries",
            measured=f"epsilon >= {result.epsilon_bound:.2f} (any (epsilon, delta)), "
            f"{result.curve_bound:.2f} (whole curve), {result.separation_bound:.2f} (all scores), at 95 %; "
            f"p = {curve_p:.2g} and {separation_p:.2g}",
            bars=[
                Bar("the smaller p", min(curve_p, separation_p), at_least=FALSE_ALARM / 2),
                Bar("the largest of the bounds", result.bound, above=0.0),
            ],
        )
    assert min(curve_p, separation_p) >= FALSE_ALARM / 2


@pytest.mark.evidence
@pytest.mark.parametrize(
    ("claim", "noise"), [(8.0, Quartered), (8.0, Silent), (4.0, Silent), (2.0, Silent), (1.0, Silent)]
)
def test_a_build_without_noise_is_exposed_at_every_claim(claim, noise, counted, evidence):
    canaries = counted(FEW, FULL)
    plan = one_run_plan(claim, DELTA, canaries)
    curve_p, separation_p = p_values(attacked_run(CanaryWorld(canaries), plan, noise=noise), plan)
    evidence(
        f"one-run audit at epsilon {claim:g}, {noise.__name__.lower()} noise, {canaries:,} canaries",
        measured=f"p from guesses {curve_p:.2g}",
        bars=[Bar("p from all scores", separation_p, below=CONFIDENT / 2)],
    )


@pytest.mark.evidence
def test_halved_noise_at_epsilon_eight_is_exposed(counted, evidence):
    canaries = counted(1500, FULL)
    plan = one_run_plan(8.0, DELTA, canaries)
    found = attacked_run(CanaryWorld(canaries), plan, noise=Halved)
    curve_p, separation_p = p_values(found, plan)
    evidence(
        f"one-run audit at epsilon 8, halved noise, {canaries:,} canaries",
        measured=f"p from guesses {curve_p:.2g}",
        bars=[Bar("p from all scores", separation_p, below=FALSE_ALARM)],
    )


def test_four_times_the_steps_that_were_accounted_are_exposed():
    plan = one_run_plan(8.0, DELTA, 1000)
    longer = replace(plan, dpsgd=replace(plan.dpsgd, steps=4 * plan.dpsgd.steps))
    assert p_values(attacked_run(CanaryWorld(1000), longer), plan)[1] < CONFIDENT / 2


def test_the_result_says_what_was_proved():
    plan = one_run_plan(1.0, DELTA, 200, steps=5)
    found = attacked_run(CanaryWorld(200), plan, noise=Silent)
    result = judge(found, plan)
    assert (result.claim, result.canaries, result.steps) == (1.0, 200, 5)
    assert result.separation_bound > 1.0
    assert result.bound == max(result.epsilon_bound, result.curve_bound, result.separation_bound)
    assert result.exposes
    assert "200 canaries" in result.finding.words


def test_the_score_of_a_step_is_the_log_likelihood_ratio():
    plan = DpSgdPlan(0.5, 2.0, 0.25, 10)
    found = np.array([-0.3, 0.0, 0.9])

    def density(mean):
        return np.exp(-0.5 * ((found - mean) / plan.noise_std) ** 2)

    expected = np.log((0.75 * density(0.0) + 0.25 * density(0.5)) / density(0.0))
    np.testing.assert_allclose(log_likelihood_ratio(found, plan), expected)
    always = DpSgdPlan(0.5, 2.0, 1.0, 10)
    np.testing.assert_allclose(log_likelihood_ratio(found, always), np.log(density(0.5) / density(0.0)))


def test_guesses_are_the_extremes_half_of_them_in_and_half_out():
    scores = np.arange(100.0)
    assert guesses(Attacked(scores, scores >= 50)) == ((20, 20),)
    assert guesses(Attacked(scores, scores < 50)) == ((0, 20),)
    assert guesses(Attacked(scores, scores >= 97)) == ((13, 20),)


def test_about_half_of_the_canaries_are_inside_and_never_the_same_ones():
    plan = one_run_plan(1.0, DELTA, 200, steps=1)
    first, second = (attacked_run(CanaryWorld(200), plan).inside for _ in range(2))
    assert 40 < first.sum() < 160
    assert not np.array_equal(first, second)


def test_a_plan_without_towers_is_refused():
    plan = calibrate(
        target_epsilon=1.0,
        max_silos_per_person=1,
        registered_customers={"canaries": 10},
        shares={"popularity": 1.0},
        clip_norms={"popularity": 1.0},
    )
    with pytest.raises(PlanError, match="no towers"):
        attacked_run(CanaryWorld(10), plan)
