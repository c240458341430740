"""What share of its units a silo sells of each item: what silos have in common first, then a silo's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.models.demand_sums import TINY, Estimate, Sums, certain, summed
from recsys.models.ratio_shrinkage import Shrunk, shrink_ratios

ROUNDS = 4


def item_mix(
    found: Sums,
    carried: NDArray[np.bool_],
    popularity: NDArray[np.float64],
    categories: NDArray[np.int64],
    dispersion: float,
) -> Estimate:
    """What share of its units each silo sells of each item.

    First what is common to all silos that carry the item, as a ratio to published popularity; then what a
    silo sells more or less of it than the others.

    carried: bool [silos, n_items]; popularity: published, float64 [n_items], positive; categories: int64
    [n_items]; dispersion: variance over mean of an item's units
    """
    some = carried.any(axis=0)  # what no silo carries is sold nowhere
    share, relative = np.zeros(carried.shape), np.zeros(carried.shape)
    carried, popularity, categories = carried[:, some], popularity[some], categories[some]
    items, variance = np.where(carried, found.items[:, some], 0.0), found.items_std[some] ** 2
    total = certain(items.sum(axis=1), np.sqrt((carried * variance).sum(axis=1)))
    appeal = popularity * total.sum() / np.maximum((carried * total[:, None]).sum(axis=0), TINY)
    start, error = appeal, np.zeros_like(appeal)
    for _ in range(ROUNDS):
        per_appeal = carried * (total / np.maximum((carried * appeal).sum(axis=1), TINY))[:, None]
        noise = variance + dispersion * per_appeal * appeal + TINY
        weight = per_appeal / noise
        precision = np.maximum((weight * per_appeal).sum(axis=0), TINY**2)
        seen = (weight * items).sum(axis=0) / precision
        usual = _by_category(seen, start, 1.0 / precision, categories)
        pooled = shrink_ratios(seen, usual, 1.0 / precision)
        error = pooled.variance / pooled.mean**2
        appeal = pooled.mean * (start.sum() / np.maximum(pooled.mean.sum(), TINY))
    expected = np.maximum(per_appeal * appeal, TINY)
    noise = np.broadcast_to(variance, expected.shape) + dispersion * expected
    own = shrink_ratios(items[carried], expected[carried], noise[carried])
    at = np.flatnonzero(some)[np.nonzero(carried)[1]]
    share[np.nonzero(carried)[0], at] = own.mean
    common = np.broadcast_to(error, items.shape)[carried]
    relative[np.nonzero(carried)[0], at] = unsure(own, noise[carried], common)
    return Estimate(share / np.maximum(share.sum(axis=1, keepdims=True), TINY), relative)


def _by_category(
    seen: NDArray[np.float64],
    expected: NDArray[np.float64],
    variance: NDArray[np.float64],
    categories: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What is expected, put right by what categories sell: units a buyer differ more between than within."""
    sold, of_all, noise = (summed(categories, values) for values in (seen, expected, variance))
    some = of_all > 0.0
    ratio = np.ones(len(of_all))
    ratio[some] = shrink_ratios(sold[some], of_all[some], noise[some]).mean / of_all[some]
    return np.asarray(expected * ratio[categories])


def group_mix(mix: Estimate, found: Sums, groups: NDArray[np.int64], dispersion: float) -> Estimate:
    """The mix put right by groups of items, whose sums cut less off customers who buy much.

    groups: int64 [n_items]; dispersion: variance over mean of a group's units
    """
    units, variance = found.groups, found.groups_std**2
    silos, n_groups = units.shape
    total = certain(units.sum(axis=1, keepdims=True), np.sqrt(variance * n_groups))
    by_group = np.stack([summed(groups, share) for share in mix.share])
    expected = np.maximum(by_group * total, TINY)
    usual = expected.sum(axis=0)
    common = shrink_ratios(units.sum(axis=0), usual, silos * variance + dispersion * usual)
    expected = expected * (common.mean / usual)
    flat = expected.ravel()
    own = shrink_ratios(units.ravel(), flat, variance + dispersion * flat)
    sold = own.mean.reshape(expected.shape)
    sold = np.where(by_group > 0.0, sold, 0.0)
    all_sold = np.maximum(sold.sum(axis=1, keepdims=True), TINY)  # 0 of a silo that carries nothing
    factor = sold / all_sold / np.maximum(by_group, TINY)
    error = unsure(own, variance + dispersion * flat, np.tile(common.variance / common.mean**2, silos))
    error = error.reshape(expected.shape) + _left(common.mean / usual, usual)
    put_right = mix.share * factor[:, groups]
    return Estimate(put_right, mix.error + error[:, groups])


def _left(ratio: NDArray[np.float64], units: NDArray[np.float64]) -> float:
    """Relative variance that bounds leave within groups: about as much as they made between groups."""
    middle = np.average(ratio, weights=units)
    return float(np.average((ratio / middle - 1.0) ** 2, weights=units))


def unsure(own: Shrunk, noise: NDArray[np.float64], common: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative variance of cells that lean, as their noise asks, on an estimate of variance `common`."""
    leans = 1.0 - np.minimum(own.variance / noise, 1.0)
    return np.asarray(own.variance / own.mean**2 + leans**2 * common)
