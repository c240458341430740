"""Forecasts of sales from noised sums: a silo's mix of items, its areas' shares, its level, and the spread.

Everything here is post-processing of noised sums with public facts, and costs no privacy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.models.demand import DAYS, PERIODS, Scope
from recsys.models.demand_forecast import DemandArrays, Place, described
from recsys.models.demand_mix import group_mix, item_mix
from recsys.models.demand_sums import CERTAIN, TINY, Estimate, Sums, certain, in_units, summed
from recsys.models.ratio_shrinkage import shrink_ratios

HALF_LIFE = 4.0  # weeks in which a week's total loses half of its say in the level
LEAST_SHARE = 2.0  # standard deviations above which the rest of a silo is taken to sell anything
DISPERSIONS = (0.5, 20.0)
UNKNOWN_DISPERSION = 2.0
CLUSTERED = 3.0  # how much more units of a category vary than those of an item: baskets, households


@dataclass(frozen=True, eq=False)
class SiloFacts:
    """What is public of a silo. areas: the rest first; carried: bool [n_items], in its items table."""

    areas: tuple[str, ...]
    carried: NDArray[np.bool_]


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
    found = in_units(np.stack([np.asarray(sums[name], np.float64) for name in names]), noise_std, scope)
    carried = np.stack([fact.carried for fact in known])
    dispersion = _dispersion(found)
    mix = item_mix(found, carried, popularity, scope.categories, dispersion[-1])
    groups = np.unique(scope.groups, return_inverse=True)[1]
    mix = group_mix(mix, found, groups, CLUSTERED * dispersion[-1])
    places = [Place(name, fact.areas) for name, fact in zip(names, known, strict=True)]
    sold = np.stack([summed(scope.departments, share) for share in mix.share])
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


def _dispersion(found: Sums) -> NDArray[np.float64]:
    """By horizon, how many times as much the units of a cell vary as by a Poisson law; float64 [periods]."""
    change, units = found.spread.reshape(len(PERIODS), 2).T
    sure = units > LEAST_SHARE * found.spread_std
    ratio = np.where(sure, change / np.where(sure, units, 1.0), UNKNOWN_DISPERSION)
    return np.asarray(np.clip(ratio, *DISPERSIONS))


def _area_shares(found: Sums, sold: NDArray[np.float64], known: list[int], dispersion: float) -> Estimate:
    """How a department's units fall on a silo's areas; float64 [silos, departments, slots], 0 where none."""
    expected, std = np.zeros(found.areas.shape), found.areas_std * np.sqrt(found.areas.shape[1])
    for silo, areas in enumerate(known):
        units = found.areas[silo, :, :areas]
        by_area = units.sum(axis=0)
        by_area[1:] = np.maximum(by_area[1:], std + TINY)
        by_area[0] = by_area[0] if areas == 1 or by_area[0] > LEAST_SHARE * std else 0.0
        by_area = np.maximum(by_area, TINY if areas == 1 else 0.0)
        usual = np.outer(sold[silo] / max(sold[silo].sum(), TINY), by_area / by_area.sum())
        expected[silo, :, :areas] = usual * certain(units.sum(), std * np.sqrt(areas))
    open_ = expected > 0.0
    cells, relative = np.zeros(expected.shape), np.zeros(expected.shape)
    own = shrink_ratios(
        found.areas[open_], expected[open_], found.areas_std**2 + dispersion * expected[open_]
    )
    cells[open_], relative[open_] = own.mean, own.variance / own.mean**2
    usual = expected.sum(axis=1, keepdims=True)
    empty = cells.sum(axis=2, keepdims=True) == 0.0  # a department without sales: as the silo as a whole
    cells = np.where(empty, usual, cells)
    return Estimate(cells / np.maximum(cells.sum(axis=2, keepdims=True), TINY), relative)


def _level(found: Sums, dispersion: float) -> Estimate:
    """Units that a silo sells a day, lately; float64 [silos]. Weeks before its first sales do not count."""
    weights = 0.5 ** (np.arange(found.weeks.shape[1]) / HALF_LIFE)
    sells = found.weeks > CERTAIN * found.weeks_std
    since = np.flip(np.logical_or.accumulate(np.flip(sells, axis=1), axis=1), axis=1)  # latest week first
    weights = np.where(since | ~sells.any(axis=1, keepdims=True), weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    weekly = np.maximum((found.weeks * weights).sum(axis=1), TINY)
    noise = (weights**2).sum(axis=1) * (found.weeks_std**2 + dispersion * weekly)
    return Estimate(weekly / DAYS, np.minimum(noise / weekly**2, 1.0))
