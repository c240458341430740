"""Item popularity from one noised sum: what a customer sends, and the estimate made of the noised total."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.errors import ConfigError
from recsys.features.pairs import recent_items

GRID_POINTS = 80
EM_STEPS = 100
CERTAIN = 5.0  # standard deviations of noise above which an observation needs no shrinkage
CLIP_NORM = 1.0
_INSIDE = 1.0 - 1e-12  # keeps rounding on the safe side of the bound


def contribution(h: Histories, n_items: int, max_items: int) -> NDArray[np.float64]:
    """Sum over customers of 1{item} / sqrt(k) over each one's k latest distinct items; float64 [n_items].

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    """
    sets = recent_items(h, max_items)
    share = _INSIDE / np.sqrt(np.maximum(sets.lengths, 1))
    total = np.bincount(sets.items, weights=np.repeat(share, sets.lengths), minlength=n_items)
    return total.astype(np.float64)


def posterior(noised_sum: NDArray[np.float64], noise_std: float) -> NDArray[np.float64]:
    """Empirical-Bayes probabilities from a noised sum: positive, summing to 1; float64 [n_items].

    Each true value is drawn from an unknown distribution on a logarithmic grid, fitted by expectation-
    maximisation (nonparametric maximum likelihood, Kiefer and Wolfowitz 1956); the estimate is the posterior
    mean, or the observation itself where it exceeds 5 standard deviations. Post-processing: costs no privacy.

    noise_std: standard deviation of the noise in each cell of the sum. Raises ConfigError if it is negative.
    """
    if not 0.0 <= noise_std < np.inf:
        raise ConfigError(f"noise_std is {noise_std}; it must be 0 or more")
    values = np.nan_to_num(np.asarray(noised_sum, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = max(float(values.max(initial=0.0)), noise_std)
    if top == 0.0:
        return np.full(len(values), 1.0 / max(len(values), 1))
    if noise_std == 0.0:
        estimate = np.maximum(values, 0.1 * values[values > 0.0].min())
    else:
        grid = np.geomspace(min(0.01 * noise_std, top / 2), top, GRID_POINTS)
        estimate = np.where(values > CERTAIN * noise_std, values, _posterior_mean(values, noise_std, grid))
    return np.asarray(estimate / estimate.sum())


def _posterior_mean(
    values: NDArray[np.float64], noise_std: float, grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """E[truth | value] under the distribution on `grid` that fits all values best."""
    exponent = -0.5 * ((values[:, None] - grid) / noise_std) ** 2
    likelihood = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    weights = np.full(len(grid), 1.0 / len(grid))
    for _ in range(EM_STEPS):
        weights = weights * (likelihood.T @ (1.0 / (likelihood @ weights))) / len(values)
    joint = likelihood * weights
    return np.asarray(joint @ grid / joint.sum(axis=1))
