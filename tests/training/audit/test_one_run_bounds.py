"""What one run's guesses prove: valid for every mechanism under the claim, and as sharp as can be."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import binom, norm

from experiments.evidence.bars import Bar
from training.audit.bounds import gaussian_mu
from training.audit.one_run_bounds import (
    curve_p_value,
    curve_rejects,
    epsilon_delta_bound,
    epsilon_delta_p_value,
)
from training.audit.profile import GaussianTradeOff, ProfileTradeOff

DELTA = 1e-6


def gaussian_guesses(mu, canaries, guessed, runs, seed=0):
    """Right guesses of the best attack on `canaries` independent mu-Gaussian-DP answers, run by run."""
    random = np.random.default_rng(seed)
    right = []
    for _ in range(runs):
        inside = random.random(canaries) < 0.5
        order = inside[np.argsort(-(inside * mu + random.normal(size=canaries)))]
        right.append(int(order[: guessed // 2].sum() + (~order[-(guessed // 2) :]).sum()))
    return right


def pure(epsilon, delta):
    """The curve of one (epsilon, delta) claim."""
    return ProfileTradeOff(np.array([epsilon]), np.array([delta]))


def test_guesses_can_prove_no_more_than_their_number_allows():
    """So that at epsilon = 8 these guesses could not expose halved noise, however perfect the attack."""
    bound = epsilon_delta_bound(5000, 5000, 5000, DELTA, 0.05)
    assert (1 / (1 + np.exp(-bound))) ** 5000 == pytest.approx(0.05, rel=0.1)
    assert 7.3 < bound < 7.5


def test_the_epsilon_delta_bound_holds_for_randomised_response():
    """Randomised response is exactly (epsilon, 0)-DP: its right guesses are binomial."""
    epsilon, guessed, runs = 1.5, 400, 2000
    right = np.random.default_rng(1).binomial(guessed, 1 / (1 + np.exp(-epsilon)), runs)
    bounds = {int(v): epsilon_delta_bound(int(v), guessed, guessed, DELTA, 0.05) for v in np.unique(right)}
    above = sum(bounds[int(v)] > epsilon for v in right)
    assert above <= binom.ppf(1 - 1e-6, runs, 0.05)
    assert above > 0, "a bound that is never above the truth is not at 95 %"
    assert epsilon_delta_p_value(guessed, guessed, guessed, epsilon, DELTA) < 1e-4


def test_no_right_guess_proves_nothing():
    assert epsilon_delta_bound(0, 10, 100, DELTA, 0.05) == 0.0
    assert curve_p_value(0, 10, 100, GaussianTradeOff(1.0)) == 1.0
    assert not curve_rejects([(0, 10)], 100, GaussianTradeOff(1e-3), 0.5)


@pytest.mark.parametrize("mu", [0.2, 1.0, 2.5])
def test_one_canary_gives_the_best_accuracy_that_the_curve_allows(mu):
    assert curve_p_value(1, 1, 1, GaussianTradeOff(mu)) == pytest.approx(norm.cdf(mu / 2), rel=0.01)


def largest_tail(right, guessed, canaries, epsilon, delta):
    """The same question as a linear programme over all distributions of right guesses."""
    k = np.arange(guessed + 1)
    rows, limits = [], []
    for i in range(1, right + 1):
        hits = np.where(k >= i, k, 0) / canaries
        wrongs = np.where(k >= i - 1, guessed - k, 0) / canaries
        rows += [hits - np.exp(epsilon) * wrongs, hits - np.exp(-epsilon) * wrongs]
        limits += [delta, 1 - np.exp(-epsilon) * (1 - delta)]
    found = linprog(-(k >= right).astype(float), rows, limits, np.ones((1, guessed + 1)), [1.0])
    return -found.fun


@pytest.mark.parametrize(("right", "guessed", "canaries"), [(3, 3, 3), (4, 6, 6), (7, 8, 20), (10, 10, 40)])
@pytest.mark.parametrize(("epsilon", "delta"), [(0.3, 1e-3), (1.0, 0.01), (2.0, 1e-4)])
def test_the_recursion_finds_the_optimum_of_the_linear_programme(right, guessed, canaries, epsilon, delta):
    exact = largest_tail(right, guessed, canaries, epsilon, delta)
    got = curve_p_value(right, guessed, canaries, pure(epsilon, delta))
    assert exact * (1 - 1e-6) <= got <= exact * 1.01


def test_a_mechanism_that_seldom_betrays_everybody_is_not_rejected_too_often():
    """It shows every canary with chance delta and nothing otherwise: exactly (0, delta)-DP."""
    delta, canaries = 0.02, 12
    chance = delta + (1 - delta) * 0.5**canaries
    assert curve_p_value(canaries, canaries, canaries, pure(0.0, delta)) >= chance


@pytest.mark.evidence
@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_a_gaussian_that_keeps_its_claim_is_rejected_at_95_percent_in_at_most_5_percent(
    epsilon, counted, evidence
):
    runs, canaries, guessed = counted(300, 5000), 400, 80
    claim = GaussianTradeOff(gaussian_mu(epsilon, DELTA))
    right = gaussian_guesses(claim.mu, canaries, guessed, runs)
    values = {v: curve_p_value(v, guessed, canaries, claim) for v in set(right)}
    rejected = sum(values[v] < 0.05 for v in right)
    evidence(
        f"one-run test against the curve, correct Gaussian at epsilon {epsilon:g}",
        bar="5 % of runs, and what chance adds to them less than once in a million times",
        measured=f"{runs} runs",
        bars=[Bar("runs rejected at 95 %", rejected, at_most=binom.ppf(1 - 1e-6, runs, 0.05))],
    )


def test_halved_noise_at_epsilon_eight_is_rejected_where_epsilon_and_delta_alone_cannot():
    """f-DP of single canaries allows rare betrayals of many, so that the chance is small, never tiny."""
    mu = gaussian_mu(8.0, DELTA)
    (right,) = gaussian_guesses(2 * mu, 5000, 1000, 1)
    assert curve_p_value(right, 1000, 5000, GaussianTradeOff(mu)) < 0.02
    assert curve_rejects([(right, 1000)], 5000, GaussianTradeOff(mu), 0.05)
    assert epsilon_delta_bound(right, 1000, 5000, DELTA, 0.05) < 8.0
