"""Scores of independent canaries against the claim's curve."""

import numpy as np
import pytest
from scipy.stats import binom

from training.audit.bounds import gaussian_mu
from training.audit.profile import GaussianTradeOff
from training.audit.separation import separation_p_value, separation_rejects

DELTA = 1e-6


def gaussian_scores(mu, canaries, seed):
    random = np.random.default_rng(seed)
    inside = random.random(canaries) < 0.5
    return inside * mu + random.normal(size=canaries), inside


@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_a_gaussian_that_keeps_its_claim_is_rejected_at_95_percent_in_at_most_5_percent(epsilon):
    mu, runs = gaussian_mu(epsilon, DELTA), 400
    rejected = sum(
        separation_rejects(*gaussian_scores(mu, 300, seed), GaussianTradeOff(mu), 0.05)
        for seed in range(runs)
    )
    assert rejected <= binom.ppf(1 - 1e-6, runs, 0.05)


def test_halved_noise_at_epsilon_eight_is_beyond_chance():
    mu = gaussian_mu(8.0, DELTA)
    scores, inside = gaussian_scores(2 * mu, 5000, 1)
    assert separation_p_value(scores, inside, GaussianTradeOff(mu)) < 1e-30


def test_the_p_value_is_where_rejection_begins():
    claim = GaussianTradeOff(1.0)
    scores, inside = gaussian_scores(1.8, 1000, 2)
    p = separation_p_value(scores, inside, claim)
    assert 0.0 < p < 0.05
    assert separation_rejects(scores, inside, claim, p * 1.01)
    assert not separation_rejects(scores, inside, claim, p * 0.99)


def test_scores_without_anybody_on_one_side_prove_nothing():
    scores = np.arange(10.0)
    for inside in (np.zeros(10, bool), np.ones(10, bool)):
        assert separation_p_value(scores, inside, GaussianTradeOff(1e-6)) == 1.0
        assert not separation_rejects(scores, inside, GaussianTradeOff(1e-6), 0.5)


def test_worthless_scores_prove_nothing():
    scores, inside = gaussian_scores(0.0, 2000, 3)
    assert separation_p_value(scores, inside, GaussianTradeOff(0.2)) == 1.0
