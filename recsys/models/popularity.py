"""Item popularity from one noised sum: what a customer sends, and the estimate made of the noised total."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.errors import ConfigError
from recsys.features.pairs import recent_items
from recsys.models.weighing import EVEN, Weighing
from recsys.privacy.clipping import WITHIN, on_grid

GRID_POINTS = 80
EM_STEPS = 100
CERTAIN = 5.0  # standard deviations of noise above which an observation needs no shrinkage
CLIP_NORM = 1.0


def contribution(
    h: Histories,
    n_items: int,
    max_items: int,
    weighing: Weighing = EVEN,
    among: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Sum over customers of a vector of norm 1 over each one's latest distinct items; float64 [n_items].

    weighing: how much each item weighs before its customer's are scaled; among: bool [n_items], public: the
    items that count, None for all.

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    """
    sets = recent_items(h if among is None else h.where(among[h.items]), max_items)
    weights = weighing.of(h, sets)
    norms = np.sqrt(np.bincount(sets.rows, weights=weights**2, minlength=len(sets)))
    share = on_grid(WITHIN * CLIP_NORM * weights / norms[sets.rows])
    return np.asarray(np.bincount(sets.items, weights=share, minlength=n_items), np.float64)


def posterior(noised_sum: NDArray[np.float64], noise_std: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Empirical-Bayes probabilities from a noised sum: positive, summing to 1; float64 [n_items].

    Each true value is drawn from an unknown distribution on a logarithmic grid, fitted by expectation-
    maximisation (nonparametric maximum likelihood, Kiefer and Wolfowitz 1956); the estimate is the posterior
    mean, or the observation itself where it exceeds 5 standard deviations. Post-processing: costs no privacy.

    noise_std: standard deviation of the noise in each cell of the sum, one for all or float64 [n_items]: all
    above 0, or all 0. Raises ConfigError otherwise.
    """
    values = np.nan_to_num(np.asarray(noised_sum, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    std = np.broadcast_to(np.asarray(noise_std, np.float64), values.shape)
    noisy = bool((std > 0.0).any())
    if not (np.isfinite(std) & ((std > 0.0) if noisy else (std == 0.0))).all():
        raise ConfigError(f"noise_std is {noise_std}; it must be 0 or more")
    top = max(float(values.max(initial=0.0)), float(std.max(initial=0.0)))
    if top == 0.0:
        return np.full(len(values), 1.0 / max(len(values), 1))
    if not noisy:
        estimate = np.maximum(values, 0.1 * values[values > 0.0].min())
    else:
        grid = np.geomspace(min(0.01 * float(std.min()), top / 2), top, GRID_POINTS)
        estimate = np.where(values > CERTAIN * std, values, _posterior_mean(values, std, grid))
    return np.asarray(estimate / estimate.sum())


def with_new_items(
    probabilities: NDArray[np.float64], groups: NDArray[np.int32], new: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What new items may be expected to sell: the mean of the other items of their group; float64 [n_items].

    An item that nobody could buy yet has no sales for another reason than one that nobody wants, and only
    public plans tell them apart. Post-processing of a release with public facts: costs no privacy.

    probabilities: positive, summing to 1, as the result does; groups: int [n_items], such as category
    numbers; new: bool [n_items]. Where a whole group is new, the mean of all other items is taken.
    """
    known = ~new
    if not new.any() or not known.any():
        return probabilities
    size = int(groups.max()) + 1
    items = np.bincount(groups[known], minlength=size)
    total = np.bincount(groups[known], weights=probabilities[known], minlength=size)
    mean = np.where(items > 0, total / np.maximum(items, 1), probabilities[known].mean())
    expected = np.where(new, mean[groups], probabilities)
    return np.asarray(expected / expected.sum())


def _posterior_mean(
    values: NDArray[np.float64], std: NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """E[truth | value] under the distribution on `grid` that fits all values best."""
    exponent = -0.5 * ((values[:, None] - grid) / std[:, None]) ** 2
    likelihood = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    weights = np.full(len(grid), 1.0 / len(grid))
    for _ in range(EM_STEPS):
        weights = weights * (likelihood.T @ (1.0 / (likelihood @ weights))) / len(values)
    joint = likelihood * weights
    return np.asarray(joint @ grid / joint.sum(axis=1))
