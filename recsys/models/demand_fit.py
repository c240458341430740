"""Forecasts of sales from noised sums: what is common to silos first, then a silo's and an area's own.

Everything here is post-processing of noised sums with public facts, and costs no privacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.models.demand import DAYS, PERIODS, SPLIT, Scope
from recsys.models.demand_forecast import DemandArrays, Place, described
from recsys.models.ratio_shrinkage import Shrunk, shrink_ratios

HALF_LIFE = 4.0  # weeks in which a week's total loses half of its say in the level
ROUNDS = 4
LEAST_SHARE = 2.0  # standard deviations above which the rest of a silo is taken to sell anything
DISPERSIONS = (0.5, 20.0)
UNKNOWN_DISPERSION = 2.0
CLUSTERED = 3.0  # how much more units of a category vary than those of an item: baskets, households
CERTAIN, LOST = 3.0, 1e-3
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class SiloFacts:
    """What is public of a silo. areas: the rest first; carried: bool [n_items], in its items table."""

    areas: tuple[str, ...]
    carried: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Sums:
    """The noised sums in units, and the standard deviations of their noise.

    items: [silos, n]; groups: [silos, groups]; areas: [silos, departments, slots]; weeks: [silos, weeks],
    latest first; spread: [6]
    """

    items: NDArray[np.float64]
    items_std: NDArray[np.float64]
    groups: NDArray[np.float64]
    groups_std: float
    areas: NDArray[np.float64]
    areas_std: float
    weeks: NDArray[np.float64]
    weeks_std: float
    spread: NDArray[np.float64]
    spread_std: float


@dataclass(frozen=True, eq=False)
class _Estimate:
    """Shares and their relative variances."""

    share: NDArray[np.float64]
    error: NDArray[np.float64]


def fit(
    sums: Mapping[str, NDArray[np.floating]],
    noise_std: float,
    scope: Scope,
    popularity: NDArray[np.float64],
    facts: Mapping[str, SiloFacts],
) -> DemandArrays:
    """What a bundle keeps of demand (see `recsys.models.demand_forecast`).

    sums: each silo's noised contribution, float [scope.length]; noise_std: on every coordinate of it, 0 for
    exact sums; popularity: published, float64 [n_items], positive; facts: of the same silos.
    """
    names = sorted(sums)
    known = [facts[name] for name in names]
    found = _in_units(np.stack([np.asarray(sums[name], np.float64) for name in names]), noise_std, scope)
    carried = np.stack([fact.carried for fact in known])
    dispersion = _dispersion(found)
    mix = _item_mix(found, carried, popularity, scope.categories, dispersion[-1])
    mix = _group_mix(mix, found, scope.groups, CLUSTERED * dispersion[-1])
    places = [Place(name, fact.areas) for name, fact in zip(names, known, strict=True)]
    sold = np.stack([_summed(scope.departments, share) for share in mix.share])
    areas = _area_shares(found, sold, [len(fact.areas) for fact in known], CLUSTERED * dispersion[-1])
    level = _level(found, CLUSTERED * dispersion[0])
    return {
        "places": described(places, scope.end),
        "mix": mix.share.astype(np.float32),
        "mix_error": mix.error.astype(np.float32),
        "areas": areas.share.astype(np.float32),
        "areas_error": areas.error.astype(np.float32),
        "level": level.share,
        "level_error": level.error,
        "dispersion": dispersion,
    }


def _in_units(noised: NDArray[np.float64], noise_std: float, scope: Scope) -> _Sums:
    bounds, edges = scope.bounds, np.cumsum(scope.lengths)[:-1]
    items, groups, areas, weeks, spread = np.split(noised, edges, axis=1)
    norms = (bounds.items, bounds.groups, bounds.areas, bounds.level, bounds.spread)
    units = [norm / np.sqrt(share) for norm, share in zip(norms, SPLIT, strict=True)]
    return _Sums(
        items * units[0] / scope.weights,
        noise_std * units[0] / scope.weights,
        groups * units[1],
        noise_std * units[1],
        areas.reshape(len(noised), -1, scope.slots) * units[2],
        noise_std * units[2],
        weeks * units[3],
        noise_std * units[3],
        spread.sum(axis=0) * units[4],
        noise_std * units[4] * float(np.sqrt(len(noised))),
    )


def _dispersion(found: _Sums) -> NDArray[np.float64]:
    """By horizon, how many times as much the units of a cell vary as by a Poisson law; float64 [periods]."""
    change, units = found.spread.reshape(len(PERIODS), 2).T
    sure = units > LEAST_SHARE * found.spread_std
    ratio = np.where(sure, change / np.where(sure, units, 1.0), UNKNOWN_DISPERSION)
    return np.asarray(np.clip(ratio, *DISPERSIONS))


def _item_mix(
    found: _Sums,
    carried: NDArray[np.bool_],
    popularity: NDArray[np.float64],
    groups: NDArray[np.int64],
    dispersion: float,
) -> _Estimate:
    """What share of its units each silo sells of each item.

    First what is common to all silos that carry the item, as a ratio to published popularity; then what a
    silo sells more or less of it than the others.
    """
    some = carried.any(axis=0)  # what no silo carries is sold nowhere
    share, relative = np.zeros(carried.shape), np.zeros(carried.shape)
    carried, popularity, groups = carried[:, some], popularity[some], groups[some]
    items, variance = np.where(carried, found.items[:, some], 0.0), found.items_std[some] ** 2
    total = _certain(items.sum(axis=1), np.sqrt((carried * variance).sum(axis=1)))
    appeal = popularity * total.sum() / np.maximum((carried * total[:, None]).sum(axis=0), _TINY)
    start, error = appeal, np.zeros_like(appeal)
    for _ in range(ROUNDS):
        per_appeal = carried * (total / np.maximum((carried * appeal).sum(axis=1), _TINY))[:, None]
        noise = variance + dispersion * per_appeal * appeal + _TINY
        weight = per_appeal / noise
        precision = np.maximum((weight * per_appeal).sum(axis=0), _TINY**2)
        seen = (weight * items).sum(axis=0) / precision
        usual = _by_group(seen, start, 1.0 / precision, groups)
        pooled = shrink_ratios(seen, usual, 1.0 / precision)
        error = pooled.variance / pooled.mean**2
        appeal = pooled.mean * (start.sum() / np.maximum(pooled.mean.sum(), _TINY))
    expected = np.maximum(per_appeal * appeal, _TINY)
    noise = np.broadcast_to(variance, expected.shape) + dispersion * expected
    own = shrink_ratios(items[carried], expected[carried], noise[carried])
    at = np.flatnonzero(some)[np.nonzero(carried)[1]]
    share[np.nonzero(carried)[0], at] = own.mean
    common = np.broadcast_to(error, items.shape)[carried]
    relative[np.nonzero(carried)[0], at] = _unsure(own, noise[carried], common)
    return _Estimate(share / np.maximum(share.sum(axis=1, keepdims=True), _TINY), relative)


def _left(ratio: NDArray[np.float64], units: NDArray[np.float64]) -> float:
    """Relative variance that bounds leave within groups: about as much as they made between groups."""
    middle = np.average(ratio, weights=units)
    return float(np.average((ratio / middle - 1.0) ** 2, weights=units))


def _unsure(own: Shrunk, noise: NDArray[np.float64], common: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative variance of cells that lean, as their noise asks, on an estimate of variance `common`."""
    leans = 1.0 - np.minimum(own.variance / noise, 1.0)
    return np.asarray(own.variance / own.mean**2 + leans**2 * common)


def _by_group(
    seen: NDArray[np.float64],
    expected: NDArray[np.float64],
    variance: NDArray[np.float64],
    groups: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What is expected, put right by what categories sell: units a buyer differ more between than within."""
    summed, of_all, noise = (_summed(groups, values) for values in (seen, expected, variance))
    some = of_all > 0.0
    ratio = np.ones(len(of_all))
    ratio[some] = shrink_ratios(summed[some], of_all[some], noise[some]).mean / of_all[some]
    return np.asarray(expected * ratio[groups])


def _summed(codes: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(codes, values).astype(np.float64)


def _certain(total: NDArray[np.float64], std: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Totals; where one may be noise alone, next to nothing, so that noise is not taken for a difference."""
    return np.where(total > CERTAIN * std, total, LOST * std) + _TINY


def _group_mix(mix: _Estimate, found: _Sums, groups: NDArray[np.int64], dispersion: float) -> _Estimate:
    """The mix put right by categories, whose sums cut customers who buy much less."""
    units, variance = found.groups, found.groups_std**2
    silos, n_groups = units.shape
    total = _certain(units.sum(axis=1, keepdims=True), np.sqrt(variance * n_groups))
    by_group = np.stack([_summed(groups, share) for share in mix.share])
    expected = np.maximum(by_group * total, _TINY)
    summed = expected.sum(axis=0)
    common = shrink_ratios(units.sum(axis=0), summed, silos * variance + dispersion * summed)
    expected = expected * (common.mean / summed)
    flat = expected.ravel()
    own = shrink_ratios(units.ravel(), flat, variance + dispersion * flat)
    sold = own.mean.reshape(expected.shape)
    sold = np.where(by_group > 0.0, sold, 0.0)
    all_sold = np.maximum(sold.sum(axis=1, keepdims=True), _TINY)  # 0 of a silo that carries nothing
    factor = sold / all_sold / np.maximum(by_group, _TINY)
    error = _unsure(own, variance + dispersion * flat, np.tile(common.variance / common.mean**2, silos))
    error = error.reshape(expected.shape) + _left(common.mean / summed, summed)
    put_right = mix.share * factor[:, groups]
    return _Estimate(put_right, mix.error + error[:, groups])


def _area_shares(found: _Sums, sold: NDArray[np.float64], known: list[int], dispersion: float) -> _Estimate:
    """How a department's units fall on a silo's areas; float64 [silos, departments, slots], 0 where none."""
    expected, std = np.zeros(found.areas.shape), found.areas_std * np.sqrt(found.areas.shape[1])
    for silo, areas in enumerate(known):
        units = found.areas[silo, :, :areas]
        by_area = units.sum(axis=0)
        by_area[1:] = np.maximum(by_area[1:], std + _TINY)
        by_area[0] = by_area[0] if areas == 1 or by_area[0] > LEAST_SHARE * std else 0.0
        by_area = np.maximum(by_area, _TINY if areas == 1 else 0.0)
        usual = np.outer(sold[silo] / max(sold[silo].sum(), _TINY), by_area / by_area.sum())
        expected[silo, :, :areas] = usual * _certain(units.sum(), std * np.sqrt(areas))
    open_ = expected > 0.0
    cells, relative = np.zeros(expected.shape), np.zeros(expected.shape)
    own = shrink_ratios(
        found.areas[open_], expected[open_], found.areas_std**2 + dispersion * expected[open_]
    )
    cells[open_], relative[open_] = own.mean, own.variance / own.mean**2
    usual = expected.sum(axis=1, keepdims=True)
    empty = cells.sum(axis=2, keepdims=True) == 0.0  # a department without sales: as the silo as a whole
    cells = np.where(empty, usual, cells)
    return _Estimate(cells / np.maximum(cells.sum(axis=2, keepdims=True), _TINY), relative)


def _level(found: _Sums, dispersion: float) -> _Estimate:
    """Units that a silo sells a day, lately; float64 [silos]. Weeks before its first sales do not count."""
    weights = 0.5 ** (np.arange(found.weeks.shape[1]) / HALF_LIFE)
    sells = found.weeks > CERTAIN * found.weeks_std
    since = np.flip(np.logical_or.accumulate(np.flip(sells, axis=1), axis=1), axis=1)  # latest week first
    weights = np.where(since | ~sells.any(axis=1, keepdims=True), weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    weekly = np.maximum((found.weeks * weights).sum(axis=1), _TINY)
    noise = (weights**2).sum(axis=1) * (found.weeks_std**2 + dispersion * weekly)
    return _Estimate(weekly / DAYS, np.minimum(noise / weekly**2, 1.0))
