"""What was sold after the cut-off, and how near a forecast comes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.demand import DAYS, PERIODS
from recsys.models.demand_forecast import Forecast

Forecasts = Mapping[str, Mapping[int, Forecast]]
"""By silo and weeks ahead."""


@dataclass(frozen=True, eq=False)
class Sold:
    """One silo's customers with all their events, on both sides of the cut-off.

    areas: names, the rest of the silo first; carried: bool [n_items]; end: the day of the cut-off
    """

    histories: Histories
    areas: tuple[str, ...]
    carried: NDArray[np.bool_]
    end: int

    def units(self, weeks: int, *, ago: int = 0) -> NDArray[np.float64]:
        """Units of every area and item within so many weeks from the cut-off, or from `ago` weeks before."""
        bought, n = self.histories.purchases(), len(self.carried)
        begin = self.end - ago * DAYS
        days = bought.baskets()
        kept = (days >= begin) & (days < begin + weeks * DAYS)
        areas = np.zeros(len(days), np.int64) if bought.areas is None else bought.areas.astype(np.int64)
        cells = areas[kept] * n + bought.items[kept]
        counted = np.bincount(cells, bought.quantities[kept], minlength=len(self.areas) * n)
        return counted.reshape(len(self.areas), n).astype(np.float64)


def figures(forecasts: Forecasts, sold: Mapping[str, Sold]) -> dict[str, float]:
    """Weighted absolute percentage error and coverage by horizon, over all silos' areas and items.

    wape_H: sum of |sold - expected| over the sum of sold, within H days; coverage_80_H: share of the cells
    (items that the silo carries, where anything is expected) whose units lie in the interval; NaN without
    intervals. wape and coverage_80 are the means of the horizons.
    """
    found: dict[str, float] = {}
    for weeks in PERIODS:
        away, units, inside = 0.0, 0.0, []
        for silo, truth in sold.items():
            forecast, happened = forecasts[silo][weeks], truth.units(weeks)
            away += float(np.abs(happened - forecast.expected).sum())
            units += float(happened.sum())
            cells = truth.carried & (forecast.expected > 0.0)
            inside.append(((happened >= forecast.low) & (happened <= forecast.high))[cells])
            if np.isnan(forecast.low).any():
                inside.append(np.full(1, np.nan))
        found[f"wape_{weeks * DAYS}"] = away / max(units, 1.0)
        found[f"coverage_80_{weeks * DAYS}"] = float(np.concatenate(inside).mean())
    for name in ("wape", "coverage_80"):
        found[name] = float(np.mean([found[f"{name}_{weeks * DAYS}"] for weeks in PERIODS]))
    return found


def by_area(forecasts: Forecasts, sold: Mapping[str, Sold], weeks: int) -> dict[str, tuple[float, float]]:
    """Units and weighted absolute percentage error of every area that sold anything, within some weeks."""
    found = {}
    for silo, truth in sold.items():
        happened, expected = truth.units(weeks), forecasts[silo][weeks].expected
        for row, area in enumerate(truth.areas):
            units = float(happened[row].sum())
            if units > 0.0:
                away = float(np.abs(happened[row] - expected[row]).sum())
                found[f"{silo}, {area or 'elsewhere'}"] = (units, away / units)
    return found
