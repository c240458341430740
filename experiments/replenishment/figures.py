"""A method's figures: chances, dates and lists, with intervals by resampling customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.dates import date_figures
from experiments.replenishment.forecast import Forecast
from experiments.replenishment.outcomes import Figure, Outcomes, ends_of, mean_ends
from recsys.metrics.probability import (
    BINS,
    Calibration,
    Ranks,
    brier_scores,
    equal_mass_bins,
    equal_width_bins,
    log_losses,
)
from recsys.models.replenishment import HORIZONS


@dataclass(frozen=True, eq=False)
class MethodFigures:
    """Figures by name with 95 % intervals of some, and the reliability of each horizon.

    chosen: what was tuned, and on the past alone
    """

    private: bool
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    reliability: Mapping[int, Calibration]
    seconds: float
    chosen: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON values; figures that are not known are null."""
        return {
            "private": self.private,
            **{name: _number(value) for name, value in self.values.items()},
            "intervals": {name: [_number(a), _number(b)] for name, (a, b) in self.intervals.items()},
            "reliability": {
                str(horizon): {
                    "pairs": found.rows.tolist(),
                    "expected": (found.expected / np.maximum(found.rows, 1.0)).tolist(),
                    "happened": (found.happened / np.maximum(found.rows, 1.0)).tolist(),
                }
                for horizon, found in self.reliability.items()
            },
            "seconds": round(self.seconds, 2),
            "chosen": dict(self.chosen),
        }


def method_figures(
    forecast: Forecast,
    outcomes: Outcomes,
    extra: Mapping[str, Figure],
    *,
    private: bool,
    seconds: float,
    chosen: Mapping[str, Any],
) -> MethodFigures:
    """Measure the judged pairs' forecast. extra: further figures with their intervals, as of the due list."""
    values: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    reliability: dict[int, Calibration] = {}
    draws = outcomes.draws()
    for column, horizon in enumerate(HORIZONS):
        chances, bought = forecast.chances[:, column], outcomes.next < horizon
        reliability[horizon] = Calibration.of(chances, bought, equal_width_bins(chances))
        for name, (value, ends) in _chance_figures(chances, bought, outcomes.rows, draws).items():
            values[f"{name}_{horizon}"], intervals[f"{name}_{horizon}"] = value, ends
    for name, (value, ends) in (date_figures(forecast, outcomes, draws) | dict(extra)).items():
        values[name], intervals[name] = value, ends
    return MethodFigures(private, values, intervals, reliability, seconds, chosen)


def _chance_figures(
    chances: NDArray[np.float64],
    bought: NDArray[np.bool_],
    rows: NDArray[np.int64],
    draws: NDArray[np.float64],
) -> dict[str, Figure]:
    losses, squares, ranks = (
        log_losses(chances, bought),
        brier_scores(chances, bought),
        Ranks.of(chances, bought),
    )
    areas = [ranks.auc(draw[rows]) for draw in draws]
    found = {
        "log_loss": (float(losses.mean()), mean_ends(losses, rows, draws)),
        "brier": (float(squares.mean()), mean_ends(squares, rows, draws)),
        "auc": (ranks.auc(), ends_of(areas)),
    }
    for name, which in {"ece": equal_width_bins(chances), "ece_mass": equal_mass_bins(chances)}.items():
        error = Calibration.of(chances, bought, which).error
        found[name] = (error, _calibration_ends(chances - bought, which, rows, draws))
    return found


def _calibration_ends(
    gaps: NDArray[np.float64], which: NDArray[np.int64], rows: NDArray[np.int64], draws: NDArray[np.float64]
) -> tuple[float, float]:
    n = draws.shape[1]
    sums = np.bincount(rows * BINS + which, gaps, minlength=n * BINS).reshape(n, BINS)
    counts = np.bincount(rows, minlength=n)
    return ends_of(np.abs(draws @ sums).sum(axis=1) / np.maximum(draws @ counts, 1.0))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
