"""A method's answer for every pair: chances within some days, a date, and an interval around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.models.replenishment import HORIZONS

LOW, MIDDLE, HIGH = 0.1, 0.5, 0.9
NEVER = 36_500.0  # days; a date beyond this is no date


@dataclass(frozen=True, eq=False)
class Forecast:
    """Answers for pairs; days count from the cut-off.

    chances: float64 [pairs, len(HORIZONS)], of a purchase within so many days
    expected, low, high: float64 [pairs], the date and its 80 % interval; NaN where a method names no date
    """

    chances: NDArray[np.float64]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def where(self, keep: NDArray[np.bool_]) -> Forecast:
        """Only these pairs; bool [pairs]."""
        return Forecast(self.chances[keep], self.expected[keep], self.low[keep], self.high[keep])


def exponential(mean: NDArray[np.float64], date: NDArray[np.float64]) -> Forecast:
    """A rhythm without memory: P(within h days) = 1 - exp(-h / mean).

    mean: float64 [pairs], days between purchases; date: float64 [pairs], the date that is named
    """
    rate = 1.0 / np.maximum(mean, 1e-9)
    chances = -np.expm1(-np.multiply.outer(rate, np.asarray(HORIZONS, np.float64)))
    return Forecast(chances, date, -np.log1p(-LOW) / rate, -np.log1p(-HIGH) / rate)


def from_chances(chances: NDArray[np.float64], horizons: Sequence[int] = HORIZONS) -> Forecast:
    """Dates from chances alone: hazards are constant between horizons, and then as on average until the last.

    chances: float64 [pairs, horizons]; chances that fall with the horizon are raised to the ones before.
    """
    rising = np.clip(np.maximum.accumulate(chances, axis=1), 0.0, 1.0 - 1e-9)
    return Forecast(chances, *(_quantile(rising, horizons, q) for q in (MIDDLE, LOW, HIGH)))


def _quantile(chances: NDArray[np.float64], horizons: Sequence[int], q: float) -> NDArray[np.float64]:
    """When the cumulative hazard reaches -log(1 - q), in days; at most NEVER; float64 [pairs]."""
    wanted = -np.log1p(-q)
    hazard = np.hstack([np.zeros((len(chances), 1)), -np.log1p(-chances)])
    ends = np.asarray([0, *horizons], np.float64)
    segment = np.clip((hazard < wanted).sum(axis=1), 1, len(horizons))
    rows = np.arange(len(chances))
    rate = np.diff(hazard, axis=1) / np.diff(ends)
    begin, slope, start = hazard[rows, segment - 1], rate[rows, segment - 1], ends[segment - 1]
    beyond = hazard[:, -1] < wanted
    begin = np.where(beyond, hazard[:, -1], begin)
    slope = np.where(beyond, hazard[:, -1] / ends[-1], slope)
    start = np.where(beyond, ends[-1], start)
    return np.asarray(np.minimum(start + (wanted - begin) / np.maximum(slope, 1e-9), NEVER))
