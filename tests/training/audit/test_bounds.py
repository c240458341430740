"""The statistics of the audits: never more confident than they say, and exact where that can be checked."""

import numpy as np
import pytest
from scipy.stats import binom

from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from training.audit.bounds import (
    clopper_pearson,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
    mu_lower_bound,
)

DELTA = 1e-6


@pytest.mark.parametrize("trials", [1, 7, 50, 400])
@pytest.mark.parametrize("chance", [0.0, 1e-3, 0.2, 0.5, 0.97, 1.0])
def test_clopper_pearson_is_wrong_at_most_as_often_as_it_says(trials, chance):
    seen = np.arange(trials + 1)
    bounds = np.array([clopper_pearson(int(k), trials, 0.05) for k in seen])
    weights = binom.pmf(seen, trials, chance)
    assert weights[bounds[:, 0] > chance].sum() <= 0.05
    assert weights[bounds[:, 1] < chance].sum() <= 0.05
    assert (bounds[:, 0] <= seen / trials).all()
    assert (seen / trials <= bounds[:, 1]).all()


@pytest.mark.parametrize("mu", [0.1, 0.5, 1.5, 4.0])
def test_epsilon_of_gaussian_dp_inverts_delta_and_is_just_below_the_accountants(mu):
    epsilon = gaussian_epsilon(mu, DELTA)
    assert gaussian_delta(epsilon, mu) == pytest.approx(DELTA, rel=1e-4)
    assert gaussian_mu(epsilon, DELTA) == pytest.approx(mu, rel=1e-6)
    pessimistic = accountant.epsilon([PrivacyEvent(1 / mu)], DELTA)
    assert epsilon <= pessimistic <= 1.01 * epsilon


def test_an_attack_that_guesses_proves_nothing():
    assert mu_lower_bound(500, 500, 1000, 0.05) == 0.0
    assert gaussian_epsilon(0.0, DELTA) == 0.0
    assert gaussian_epsilon(1e-7, DELTA) == 0.0


def test_a_perfect_attack_proves_more_the_longer_it_goes_on():
    bounds = [mu_lower_bound(0, 0, trials, 0.05) for trials in (10, 100, 1000, 10_000)]
    assert bounds == sorted(bounds)
    assert bounds[0] > 0
    assert mu_lower_bound(0, 0, 1000, 1e-6) < mu_lower_bound(0, 0, 1000, 0.05)


def test_the_bound_on_mu_is_above_the_truth_in_at_most_five_percent_of_attacks():
    random, mu, trials, attacks = np.random.default_rng(3), 1.0, 300, 400
    error = 0.3085375387259869  # Phi(-mu / 2): either error at the midpoint
    pairs = random.binomial(trials, error, (attacks, 2)).tolist()
    above = sum(mu_lower_bound(alarms, misses, trials, 0.05) > mu for alarms, misses in pairs)
    assert above <= binom.ppf(1 - 1e-6, attacks, 0.05)
