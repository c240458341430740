"""Noised sums in units, with the noise on them, and how estimates are kept that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.models.demand import SPLIT, Scope

CERTAIN, LOST = 3.0, 1e-3  # deviations of its noise that make a total, and what stands for a lesser one
TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Sums:
    """The noised sums in units, and the standard deviations of their noise.

    items: [silos, n]; groups: [silos, groups that have items]; areas: [silos, departments, slots];
    weeks: [silos, weeks], latest first; spread: [6]
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
class Estimate:
    """Shares and their relative variances."""

    share: NDArray[np.float64]
    error: NDArray[np.float64]


def in_units(noised: NDArray[np.float64], noise_std: float, scope: Scope) -> Sums:
    """Noised contributions, float64 [silos, scope.length], taken apart; noise_std: on every coordinate."""
    bounds, edges = scope.bounds, np.cumsum(scope.lengths)[:-1]
    items, groups, areas, weeks, spread = np.split(noised, edges, axis=1)
    groups = groups[:, np.unique(scope.groups)]
    norms = (bounds.items, bounds.groups, bounds.areas, bounds.level, bounds.spread)
    units = [norm / np.sqrt(share) for norm, share in zip(norms, SPLIT, strict=True)]
    return Sums(
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


def summed(codes: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values added up by code; float64 [largest code + 1]."""
    return np.bincount(codes, values).astype(np.float64)


def certain(total: NDArray[np.float64], std: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Totals; where one may be noise alone, next to nothing, so that noise is not taken for a difference."""
    return np.where(total > CERTAIN * std, total, LOST * std) + TINY
