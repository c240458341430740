"""How far dates are from what happened, where that was seen and where it was not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.forecast import Forecast
from experiments.replenishment.outcomes import Figure, Outcomes, mean_ends


def date_figures(forecast: Forecast, outcomes: Outcomes, draws: NDArray[np.float64]) -> dict[str, Figure]:
    """Figures of dates, in whole days of the shop's clock.

    mae_days: over pairs bought again within the data. Late purchases are not among them, so a method that
        names early dates looks better than it is.
    mae_restricted_days: over all pairs; of those not bought again, the end of the data is what is known
        (Uno et al. 2014 restrict means so). In both, dates beyond the data, and none, count as its end.
    coverage_80: over pairs whose interval ends within the data, so that what happened is known of each: the
        share of the day of purchase that lies in the interval; coverage_pairs: the share of such pairs
    answered: share of pairs with a date; seen: share of pairs bought again within the data
    """
    rows, following, end = outcomes.rows, outcomes.next, float(outcomes.ahead)
    named, seen = ~np.isnan(forecast.expected), np.isfinite(following)
    expected = np.minimum(np.floor(np.maximum(np.where(named, forecast.expected, end), 0.0)), end)
    errors = np.abs(expected - np.minimum(following, end))
    known = named & (np.nan_to_num(forecast.high, nan=np.inf) <= end)
    inside = _inside(forecast, np.where(seen, following, end))
    parts = {
        "mae_days": (errors, seen),
        "mae_restricted_days": (errors, np.ones(len(rows), bool)),
        "coverage_80": (inside, known),
        "coverage_pairs": (known.astype(np.float64), np.ones(len(rows), bool)),
        "answered": (named.astype(np.float64), np.ones(len(rows), bool)),
        "seen": (seen.astype(np.float64), np.ones(len(rows), bool)),
    }
    nothing = (float("nan"), (float("nan"), float("nan")))
    return {
        name: (float(values[kept].mean()), mean_ends(values[kept], rows[kept], draws))
        if kept.any()
        else nothing
        for name, (values, kept) in parts.items()
    }


def _inside(forecast: Forecast, day: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of a day the interval holds: whole days would be covered too often by what touches them."""
    low, high = np.maximum(forecast.low, 0.0), np.maximum(forecast.high, 0.0)
    return np.asarray(np.clip(np.minimum(high, day + 1.0) - np.maximum(low, day), 0.0, 1.0))
