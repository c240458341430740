"""One release of the real code at a time: the attack reaches the claim, and does not get past it."""

import numpy as np
import pytest

from experiments.evidence.bars import Bar
from recsys.privacy.plan import RELEASES
from tests.training.audit.broken import Halved, Silent
from training.audit.bounds import gaussian_mu
from training.audit.canaries import CanaryWorld
from training.audit.step_audit import (
    CLIP_NORM,
    FALSE_ALARM,
    TEETH,
    StepResult,
    enough_trials,
    step_audit,
    tower_score,
)
from training.audit.sums import CUSTOMERS, SUMS, _histories, sum_score

DELTA = 1e-6
CLAIMS = [1.0, 2.0, 4.0, 8.0]


def audited(mechanism, score, threshold, claim, trials, evidence):
    result = step_audit(mechanism, score, threshold, claim=claim, delta=DELTA, trials=trials)
    bars = [Bar(f"epsilon proved at 1 - {FALSE_ALARM:g}", result.alarm, at_most=claim)]
    if trials >= enough_trials(claim, DELTA):
        bars.append(Bar("epsilon proved at 95 %", result.bound, at_least=TEETH * claim))
    # The bound at 95 % may be above the claim by chance, in one of twenty rows: it is shown, and no bar.
    told = f"{trials:,} trials; {result.bound / claim:.3f} of the claim at 95 %"
    evidence(f"step audit, {mechanism} at epsilon {claim:g}", measured=told, bars=bars)
    assert result.finding.ok, result.finding.words
    return result


@pytest.mark.evidence
@pytest.mark.parametrize("claim", CLAIMS)
def test_a_step_of_the_engine_leaks_what_it_claims_and_no_more(claim, counted, evidence):
    full = max(10_000, enough_trials(claim, DELTA))
    trials = counted(enough_trials(claim, DELTA) if claim == 8.0 else 40, full)
    audited("towers", *tower_score(claim, DELTA), claim, trials, evidence)


@pytest.mark.evidence
@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("mechanism", SUMS)
def test_a_noised_sum_leaks_what_it_claims_and_no_more(mechanism, claim, counted, evidence):
    few, full = min(1000, enough_trials(claim, DELTA)), max(10_000, enough_trials(claim, DELTA))
    audited(mechanism, *sum_score(mechanism, claim, DELTA), claim, counted(few, full), evidence)


def test_every_noised_sum_of_a_plan_is_audited():
    assert set(SUMS) == set(RELEASES)


def test_a_step_with_halved_noise_is_exposed():
    score, threshold = tower_score(8.0, DELTA, Halved)
    result = step_audit("towers", score, threshold, claim=8.0, delta=DELTA, trials=150)
    assert result.bound > 8.0, "missed by chance once in 10^8"


def test_a_step_without_noise_fails_the_build():
    score, threshold = tower_score(8.0, DELTA, Silent)
    result = step_audit("towers", score, threshold, claim=8.0, delta=DELTA, trials=100)
    assert result.alarm > 8.0
    assert not result.finding.ok


@pytest.mark.parametrize("mechanism", SUMS)
def test_a_sum_with_halved_noise_is_exposed_at_every_claim(mechanism):
    for claim in (1.0, 8.0):
        score, threshold = sum_score(mechanism, claim, DELTA, Halved)
        trials = enough_trials(claim, DELTA) // (8 if claim == 1.0 else 1)
        result = step_audit(mechanism, score, threshold, claim=claim, delta=DELTA, trials=trials)
        assert result.bound > claim


@pytest.mark.parametrize("mechanism", SUMS)
def test_the_canary_adds_all_that_the_bound_allows(mechanism):
    """A canary below the bound would leave the attack without teeth."""
    histories = _histories()
    added = SUMS[mechanism](histories) - SUMS[mechanism](histories.select(np.arange(CUSTOMERS - 1)))
    assert np.linalg.norm(added) == pytest.approx(1.0, abs=1e-6)


def test_a_blunt_attack_on_enough_trials_is_a_failed_audit():
    def blind(inside):
        return float(np.random.default_rng().normal())

    result = step_audit("towers", blind, 0.0, claim=8.0, delta=DELTA, trials=enough_trials(8.0, DELTA))
    assert result.has_teeth is False
    assert not result.finding.ok
    few = step_audit("towers", blind, 0.0, claim=8.0, delta=DELTA, trials=50)
    assert few.has_teeth is None
    assert few.finding.ok, "too few trials to ask for teeth: nothing is contradicted"


def test_a_claim_is_contradicted_only_beyond_the_alarm():
    """The 95 % bound may be above the claim by chance; the build fails at 1 - 1e-6 only."""
    shown = StepResult("towers", 1.0, DELTA, 100, 0, 0, bound=1.2, alarm=0.9)
    assert shown.finding.ok
    assert not StepResult("towers", 1.0, DELTA, 100, 0, 0, bound=1.2, alarm=1.1).finding.ok
    assert FALSE_ALARM == 1e-6


def test_a_canarys_score_is_the_clip_norm_along_its_own_direction_and_nothing_along_others():
    world = CanaryWorld(9)
    score, _ = tower_score(8.0, DELTA, Silent)
    assert score(True) == pytest.approx(CLIP_NORM, rel=0.02)
    assert score(False) == pytest.approx(0.0, abs=1e-6)
    assert gaussian_mu(8.0, DELTA) > 1.0
    inside = np.arange(9) == 4
    assert world.sequences(inside).ids.tolist() == [[8, 9]]


def test_progress_is_told_after_every_trial():
    told = []
    step_audit("popularity", lambda _: 0.0, 0.5, claim=1.0, delta=DELTA, trials=3, progress=told.append)
    assert told == [1, 2, 3]
