"""A claim's trade-off curve: pessimistic, exact for plain Gaussians, and never sharper than the truth."""

import numpy as np
import pytest
from scipy.stats import norm

from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from training.audit.profile import GaussianTradeOff, ProfileTradeOff, largest_rejected, trade_off

DELTA = 1e-6
POWERS = np.array([0.0, 1e-6, 1e-4, 0.01, 0.3, 0.5, 0.9, 0.999, 1.0])


def test_plain_gaussians_are_gaussian_dp_exactly():
    curve = trade_off([PrivacyEvent(4.0), PrivacyEvent(3.0, 1.0, 2)], DELTA)
    assert isinstance(curve, GaussianTradeOff)
    assert curve.mu == pytest.approx(np.sqrt(1 / 16 + 2 / 9))
    alarms = np.array([0.01, 0.2, 0.7])
    np.testing.assert_allclose(curve.needed(norm.cdf(norm.ppf(alarms) + curve.mu)), alarms)


def test_a_sampled_composition_is_read_from_its_profile():
    events = [PrivacyEvent(1.5, 0.3, 40)]
    curve = trade_off(events, DELTA)
    assert isinstance(curve, ProfileTradeOff)
    epsilon = accountant.epsilon(events, DELTA)
    at_claim = np.interp(epsilon, curve.epsilons, curve.deltas)
    assert at_claim == pytest.approx(DELTA, rel=0.05)
    assert (np.diff(curve.deltas) <= 0).all()


def test_the_profiles_curve_allows_at_least_what_the_mechanism_really_does():
    """One sampled Gaussian: threshold attacks on it, both ways, have rates in closed form."""
    sigma, rate = 1.0, 0.4
    curve = trade_off([PrivacyEvent(sigma, rate)], DELTA)
    t = np.linspace(-5, 6, 200)
    outside, inside = norm.sf(t / sigma), (1 - rate) * norm.sf(t / sigma) + rate * norm.sf((t - 1) / sigma)
    assert (curve.needed(inside) <= outside + 1e-9).all()
    assert (curve.needed(1 - outside) <= 1 - inside + 1e-9).all()
    # ... and hardly more: pessimistic, but not blunt.
    assert np.abs(curve.needed(inside) - outside).max() < 0.1


@pytest.mark.parametrize("events", [[PrivacyEvent(0.7)], [PrivacyEvent(1.0, 0.2, 10)]])
def test_needed_is_a_rate_and_grows_with_power(events):
    needed = trade_off(events, DELTA).needed(POWERS)
    assert ((needed >= 0.0) & (needed <= 1.0)).all()
    assert (np.diff(needed) >= 0).all()
    assert needed[0] == 0.0
    assert (needed <= POWERS).all()


def test_a_profile_of_a_gaussian_agrees_with_its_exact_curve():
    epsilons = np.linspace(0, 12, 400)
    deltas = norm.cdf(0.5 - epsilons) - np.exp(epsilons) * norm.cdf(-0.5 - epsilons)
    profile, exact = ProfileTradeOff(epsilons, deltas), GaussianTradeOff(1.0)
    np.testing.assert_allclose(profile.needed(POWERS[2:-1]), exact.needed(POWERS[2:-1]), rtol=2e-3)


def test_the_largest_rejected_claim_is_found_to_some_percent():
    def rejects(curve):
        return curve.mu < 0.5

    found = largest_rejected(rejects, [PrivacyEvent(1.0)], DELTA)
    exact = accountant.epsilon([PrivacyEvent(2.0)], DELTA)
    assert 0.95 * exact < found <= exact
    assert largest_rejected(lambda _: False, [PrivacyEvent(1.0)], DELTA) == 0.0
