"""Item popularity from one noised sum: what a customer sends, and the estimate made of the noised total."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.errors import ConfigError
from recsys.features.pairs import ItemSets, group_pairs, recent_items
from recsys.features.sequences import baskets_ago
from recsys.privacy.clipping import WITHIN, on_grid

GRID_POINTS = 80
EM_STEPS = 100
CERTAIN = 5.0  # standard deviations of noise above which an observation needs no shrinkage
CLIP_NORM = 1.0


def contribution(
    h: Histories, n_items: int, max_items: int, decay: float = 1.0, basket_power: float = 0.0
) -> NDArray[np.float64]:
    """Sum over customers of a vector of norm 1 over each one's latest distinct items; float64 [n_items].

    An item weighs the most that one of the customer's baskets gives it: decay**(baskets ago) x (distinct
    items in the basket)**-basket_power. With decay 1 and power 0, or without an order, all items weigh the
    same. A small basket says more of what the next one holds: each of its items is a larger share of it.

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    """
    sets = recent_items(h, max_items)
    weights = np.ones(len(sets.items))
    if (decay != 1.0 or basket_power != 0.0) and h.ordering is not Ordering.NONE and len(weights):
        weights = _weights(h.purchases(), sets, decay, basket_power)
    norms = np.sqrt(np.bincount(sets.rows, weights=weights**2, minlength=len(sets)))
    share = on_grid(WITHIN * CLIP_NORM * weights / norms[sets.rows])
    return np.asarray(np.bincount(sets.items, weights=share, minlength=n_items), np.float64)


def _weights(bought: Histories, sets: ItemSets, decay: float, basket_power: float) -> NDArray[np.float64]:
    """The weight of every item of `sets`, at most 1 and 1 for each customer's heaviest; float64 [total]."""
    rows, ago = bought.rows, baskets_ago(bought, bought.rows)
    order, starts = group_pairs(rows, bought.items)
    per_basket = decay ** ago.astype(np.float64) * _basket_sizes(bought, rows, ago) ** -basket_power
    heaviest = np.maximum.reduceat(per_basket[order], starts)
    size, firsts = int(bought.items.max()) + 1, order[starts]
    pairs = rows[firsts] * size + bought.items[firsts]
    weights = heaviest[pairs.searchsorted(sets.rows * size + sets.items)]
    peaks = np.zeros(len(sets))
    np.maximum.at(peaks, sets.rows, weights)
    return np.asarray(weights / peaks[sets.rows])


def _basket_sizes(bought: Histories, rows: NDArray[np.int64], ago: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many distinct items the basket of each event holds; float64 [events]."""
    new = np.concatenate(([True], (rows[1:] != rows[:-1]) | (ago[1:] != ago[:-1])))
    basket = new.cumsum() - 1
    order, starts = group_pairs(basket, bought.items)
    sizes = np.bincount(basket[order[starts]])
    return np.asarray(sizes[basket], np.float64)


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
