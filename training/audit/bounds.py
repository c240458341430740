"""From counts of an attack's right and wrong answers to a lower bound on epsilon, at a stated confidence."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri
from scipy.stats import beta

LARGEST_MU = 60.0
LARGEST_EPSILON = 2_000.0


def clopper_pearson(count: int, trials: int, significance: float) -> tuple[float, float]:
    """Bounds on a probability of which `count` of `trials` were seen (Clopper & Pearson 1934).

    Each of the two is wrong in at most `significance` of experiments, whatever the probability is.
    """
    lower = float(beta.ppf(significance, count, trials - count + 1)) if count > 0 else 0.0
    upper = float(beta.ppf(1 - significance, count + 1, trials - count)) if count < trials else 1.0
    return lower, upper


def mu_lower_bound(false_alarms: int, misses: int, trials: int, significance: float) -> float:
    """A lower bound on the mu of Gaussian DP that such an attack proves; 0 if it proves nothing.

    mu_lb = Phi^-1(1 - FPR_ub) - Phi^-1(FNR_ub) (Nasr et al. 2023), each bound at half the significance.
    false_alarms: "in" said in the world without the canary; misses: "out" said in the world with it; `trials`
    in each of the two worlds.
    """
    _, false_positive = clopper_pearson(false_alarms, trials, significance / 2)
    _, false_negative = clopper_pearson(misses, trials, significance / 2)
    return max(0.0, float(ndtri(1 - false_positive) - ndtri(false_negative)))


def gaussian_delta(epsilon: float, mu: float) -> float:
    """delta of mu-Gaussian-DP: Phi(-eps/mu + mu/2) - e^eps Phi(-eps/mu - mu/2) (Dong, Roth & Su 2022)."""
    second = math.exp(min(0.0, epsilon + float(log_ndtr(-epsilon / mu - mu / 2))))
    return max(0.0, float(ndtr(-epsilon / mu + mu / 2)) - second)


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The epsilon at which mu-Gaussian-DP has this delta: exact, not an upper bound; 0 if none is needed."""
    if mu <= 0 or gaussian_delta(0.0, mu) <= delta:
        return 0.0
    return float(brentq(lambda epsilon: gaussian_delta(epsilon, mu) - delta, 0.0, LARGEST_EPSILON, xtol=1e-9))


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The mu of Gaussian DP that is exactly (epsilon, delta): the noise multiplier of the claim is 1 / mu."""
    return float(
        brentq(lambda mu: math.log(max(gaussian_delta(epsilon, mu), 1e-300) / delta), 1e-6, LARGEST_MU)
    )
