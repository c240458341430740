"""A method's figures: chances, dates and lists, with intervals by resampling customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.dates import date_figures
from experiments.replenishment.forecast import Forecast
from experiments.replenishment.outcomes import Figure, Outcomes, ends_of, mean_ends, redrawn_means
from recsys.metrics.probability import (
    BINS,
    Calibration,
    Ranks,
    brier_scores,
    equal_mass_bins,
    equal_width_bins,
    error_by_chance,
    log_losses,
)
from recsys.models.replenishment import HORIZONS
from recsys.seeds import rng


@dataclass(frozen=True, eq=False)
class MethodFigures:
    """Figures by name with 95 % intervals of some, and the reliability of each horizon.

    chosen: what was tuned, and on the past alone
    redrawn: log losses and areas in each resample of customers, the same resamples for every method of a cut
    """

    private: bool
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    reliability: Mapping[int, Calibration]
    seconds: float
    chosen: Mapping[str, Any]
    redrawn: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

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
    redrawn: dict[str, NDArray[np.float64]] = {}
    draws = outcomes.draws()
    for column, horizon in enumerate(HORIZONS):
        judged = _Judged(forecast.chances[:, column], outcomes.next < horizon, outcomes.rows, draws)
        reliability[horizon] = judged.reliability
        again = judged.redrawn()
        redrawn |= {f"{name}_{horizon}": found for name, found in again.items()}
        for name, (value, ends) in judged.figures(again).items():
            values[f"{name}_{horizon}"], intervals[f"{name}_{horizon}"] = value, ends
        values[f"ece_by_chance_{horizon}"] = judged.error_by_chance
    for name, (value, ends) in (date_figures(forecast, outcomes, draws) | dict(extra)).items():
        values[name], intervals[name] = value, ends
    return MethodFigures(private, values, intervals, reliability, seconds, chosen, redrawn)


@dataclass(frozen=True, eq=False)
class _Judged:
    """Chances within one horizon, and what happened."""

    chances: NDArray[np.float64]
    bought: NDArray[np.bool_]
    rows: NDArray[np.int64]
    draws: NDArray[np.float64]

    @property
    def reliability(self) -> Calibration:
        return Calibration.of(self.chances, self.bought, equal_width_bins(self.chances))

    @property
    def error_by_chance(self) -> float:
        which = equal_width_bins(self.chances)
        return error_by_chance(self.chances, which, rng(0, "replenishment", "by chance"))

    def redrawn(self) -> dict[str, NDArray[np.float64]]:
        ranks = Ranks.of(self.chances, self.bought)
        losses = log_losses(self.chances, self.bought)
        return {
            "log_loss": redrawn_means(losses, self.rows, self.draws),
            "auc": np.asarray([ranks.auc(draw[self.rows]) for draw in self.draws]),
        }

    def figures(self, redrawn: Mapping[str, NDArray[np.float64]]) -> dict[str, Figure]:
        chances, bought = self.chances, self.bought
        squares = brier_scores(chances, bought)
        found = {
            "log_loss": (float(log_losses(chances, bought).mean()), ends_of(redrawn["log_loss"])),
            "brier": (float(squares.mean()), mean_ends(squares, self.rows, self.draws)),
            "auc": (Ranks.of(chances, bought).auc(), ends_of(redrawn["auc"])),
        }
        for name, which in {"ece": equal_width_bins(chances), "ece_mass": equal_mass_bins(chances)}.items():
            error = Calibration.of(chances, bought, which).error
            found[name] = (error, _calibration_ends(chances - bought, which, self.rows, self.draws))
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
