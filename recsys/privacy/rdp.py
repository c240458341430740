"""Rényi accounting: a fast upper bound in plain numpy, so that most budget checks need nothing slower."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.events import PrivacyEvent

ORDERS = np.array([*range(2, 65), *range(72, 129, 8), 160, 192, 256, 384, 512, 768, 1024], dtype=np.int64)


def rdp_epsilon(events: tuple[PrivacyEvent, ...], delta: float) -> float:
    """An upper bound on epsilon at delta of the composed events; infinite where float64 overflows.

    Conversion: eps = R(a) + log((a - 1) / a) - (log delta + log a) / (a - 1), the least over the orders a
    (Canonne, Kamath & Steinke 2020, proposition 12).

    Guarantee: customer-level, add-or-remove-one, for Poisson sampling; pure epsilon is never negative.
    """
    if not events:
        return 0.0
    total = np.zeros(len(ORDERS))
    for event in events:
        total += event.steps * _renyi_of_step(event.noise_multiplier, event.sampling_rate)
    bound = total + np.log1p(-1 / ORDERS) - (math.log(delta) + np.log(ORDERS)) / (ORDERS - 1)
    return max(0.0, float(bound.min()))


@lru_cache(maxsize=4096)
def _renyi_of_step(noise_multiplier: float, sampling_rate: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        inverse = np.float64(1 / noise_multiplier) ** 2
        if sampling_rate == 1.0:
            return np.asarray(ORDERS * inverse / 2)
        return np.array([_sampled_gaussian(int(order), inverse, sampling_rate) for order in ORDERS])


def _sampled_gaussian(order: int, inverse: np.float64, rate: float) -> float:
    """Order-a Rényi divergence of the Poisson-sampled Gaussian, whole a (Mironov, Talwar & Zhang 2019)."""
    k = np.arange(order + 1)
    logs = (
        _log_binomials(order)
        + k * math.log(rate)
        + (order - k) * math.log1p(-rate)
        + k * (k - 1) * inverse / 2
    )
    top = logs.max()
    log_moment = top + math.log(np.exp(logs - top).sum()) if math.isfinite(top) else math.inf
    return max(0.0, float(log_moment)) / (order - 1)


@lru_cache(maxsize=256)
def _log_binomials(order: int) -> NDArray[np.float64]:
    factorials = np.array([math.lgamma(k + 1) for k in range(order + 1)])
    return np.asarray(factorials[-1] - factorials - factorials[::-1])
