"""Shrinkage of noisy counts towards what is expected, in units of what is expected; with how sure that is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPREADS = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
EM_STEPS = 60
PRIOR_CELLS = 2.0  # what few cells lean on: small deviations
LEAST = 0.01  # of what is expected: sales are never negative, and nothing on sale is known never to sell
_EXACT = 1e-12


class Shrunk(NamedTuple):
    """Posterior mean of each cell and its variance; float64 [cells] each."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def shrink_ratios(
    values: NDArray[np.float64], expected: NDArray[np.float64], variance: NDArray[np.float64]
) -> Shrunk:
    """Posterior of every cell t in value = t + noise, t ~ sum_g w_g N(expected, (g x expected)^2).

    A scale mixture of deviations relative to what is expected, whose weights are fitted to all cells by
    expectation-maximisation (adaptive shrinkage, Stephens 2017). Without noise the values themselves come
    back, with nothing but noise what was expected.

    values, expected (above 0), variance (of the noise, counting noise included): float64 [cells]
    """
    floor = _EXACT * expected**2 + np.finfo(np.float64).tiny
    away, noise = values - expected, np.maximum(variance, floor)
    signal = (expected[:, None] * SPREADS) ** 2
    total = signal + noise[:, None]
    logs = -0.5 * away[:, None] ** 2 / total - 0.5 * np.log(total)
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    joint = likelihood * _weights(likelihood)
    joint /= joint.sum(axis=1, keepdims=True)
    trust = signal / total
    means = away[:, None] * trust
    mean = (joint * means).sum(axis=1)
    spread = (joint * (trust * noise[:, None] + means**2)).sum(axis=1) - mean**2
    return Shrunk(np.maximum(expected + mean, LEAST * expected), np.maximum(spread, 0.0))


def _weights(likelihood: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many cells deviate how much. Starts from equal weights: few steps must reach what is large."""
    usual = np.exp(-2.0 * SPREADS)
    usual *= PRIOR_CELLS / usual.sum()
    weights = np.full(len(SPREADS), 1.0 / len(SPREADS))
    for _ in range(EM_STEPS):
        weights = weights * (likelihood.T @ (1.0 / (likelihood @ weights))) + usual
        weights /= weights.sum()
    return weights
