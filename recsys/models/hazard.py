"""The chance, day by day, that a pair is bought again: a discrete-time hazard, complementary log-log link.

With x what is known of a pair on a day, the chance of a purchase between a and b days later, if there was
none before, is 1 - exp(-(b - a) exp(x . theta)) (Prentice and Gloeckler 1978; proportional hazards of Cox
1972). Among x are the log hazard of a log-normal gap with the pair's own mean and spread, which rises sharply
for a regular rhythm, a spline in the log of elapsed against expected time, and the log rate of a
gamma-Poisson (Ehrenberg 1959).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.features.rhythm import Rhythms
from recsys.metrics.normal import log_upper_tail

NAMES = (
    "one",
    "rate",
    "age",
    "visits",
    "since",
    "units",
    "appeal",
    "log-normal",
    "elapsed",
    "early",
    "late",
)
"""The parameters, in order."""

DIMENSIONS = len(NAMES)
EDGES = np.array([0, 1, 3, 5, 7, 10, 14, 18, 23, 30, 45, 60, 90, 120, 180, 270, 390, 540, 730], np.float64)
"""Days from now at which the hazard changes; after the last it stays as it is."""

FURTHEST = 3650.0  # days: later moments are not told apart
RATE_PRIOR, RATE_PRIOR_DAYS = 0.5, 30.0  # purchases and days that a rate starts from
KNOTS = (-0.5, 0.5)  # of the spline, in log elapsed over expected time
LEAST_LOG, MOST_LOG = -12.0, 4.0  # log hazards outside are cut
AT_ONCE = 100_000

Floats = NDArray[np.float64]


def appeal(popularities: Floats) -> Floats:
    """Half the log of an item's published popularity against the mean item's; float64 [n_items]."""
    return np.asarray(np.clip(np.log(popularities * len(popularities)), -3.0, 5.0) / 2.0)


def fixed_columns(pairs: Rhythms, appeals: Floats) -> Floats:
    """The features that are the same on all days ahead; float64 [pairs, 7]."""
    rate = np.log((pairs.purchases - 1 + RATE_PRIOR) / (pairs.age + RATE_PRIOR_DAYS))
    columns = (
        np.ones(len(pairs)),
        rate + 4.5,
        np.log(pairs.age) - 5.0,
        np.log1p(pairs.visits) - 1.5,
        np.log(pairs.since) - 5.0,
        pairs.units,
        appeals[pairs.items],
    )
    return np.stack(columns, axis=1)


def varying_columns(pairs: Rhythms, begin: float, end: float) -> Floats:
    """The features of the span from `begin` to `end` days ahead; float64 [pairs, 4]."""
    edges = [_log_later(pairs, days) for days in (begin, end)]
    return _varying(pairs, begin, end, edges[0], edges[1])


def chances(pairs: Rhythms, appeals: Floats, theta: Floats, days: Sequence[float]) -> Floats:
    """P(bought within so many days), for each number of days (one of EDGES); float64 [pairs, days]."""
    places = np.searchsorted(EDGES, days)
    if not np.array_equal(EDGES[places], days):
        raise ValueError(f"chances are known at {EDGES.tolist()} days, not at all of {list(days)}")
    parts = [
        -np.expm1(-_cumulative(pairs.where(part), appeals, theta, int(places.max()))[0][:, places])
        for part in _parts(len(pairs))
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(days)))


def moments(pairs: Rhythms, appeals: Floats, theta: Floats, shares: Sequence[float]) -> Floats:
    """Days until each share of such pairs was bought again, at most FURTHEST; float64 [pairs, shares]."""
    parts = [_moments(pairs.where(part), appeals, theta, shares) for part in _parts(len(pairs))]
    return np.concatenate(parts) if parts else np.zeros((0, len(shares)))


def _moments(pairs: Rhythms, appeals: Floats, theta: Floats, shares: Sequence[float]) -> Floats:
    cumulative, hazards = _cumulative(pairs, appeals, theta, len(EDGES) - 1)
    rows, found = np.arange(len(pairs)), []
    for share in shares:
        wanted = -np.log1p(-share)
        bin_ = np.minimum((cumulative[:, 1:] <= wanted).sum(axis=1), len(EDGES) - 2)
        found.append(EDGES[bin_] + (wanted - cumulative[rows, bin_]) / hazards[rows, bin_])
    return np.asarray(np.minimum(np.stack(found, axis=1), FURTHEST))


def _cumulative(pairs: Rhythms, appeals: Floats, theta: Floats, bins: int) -> tuple[Floats, Floats]:
    """Cumulative hazard at the first edges [pairs, bins + 1], and hazard a day between [pairs, bins]."""
    base = fixed_columns(pairs, appeals) @ theta[:7]
    cumulative, hazards = np.zeros((len(pairs), bins + 1)), np.zeros((len(pairs), bins))
    before = _log_later(pairs, 0.0)
    for bin_ in range(bins):
        begin, end = float(EDGES[bin_]), float(EDGES[bin_ + 1])
        after = _log_later(pairs, end)
        log_hazard = base + _varying(pairs, begin, end, before, after) @ theta[7:]
        hazards[:, bin_] = np.exp(np.clip(log_hazard, LEAST_LOG, MOST_LOG))
        cumulative[:, bin_ + 1] = cumulative[:, bin_] + (end - begin) * hazards[:, bin_]
        before = after
    return cumulative, hazards


def _varying(pairs: Rhythms, begin: float, end: float, before: Floats, after: Floats) -> Floats:
    hazard = np.maximum(before - after, 1e-12) / (end - begin)
    ratio = np.clip(np.log(pairs.elapsed + (begin + end) / 2.0) - pairs.gap, -3.0, 3.0)
    spline = [np.maximum(ratio - knot, 0.0) for knot in KNOTS]
    return np.stack([np.clip(np.log(hazard) + pairs.gap, -3.0, 4.0), ratio, *spline], axis=1)


def _log_later(pairs: Rhythms, days: float) -> Floats:
    """Log chance that a log-normal gap is longer than so many days from now."""
    return log_upper_tail((np.log(pairs.elapsed + days) - pairs.gap) / pairs.spread)


def _parts(n: int) -> list[slice]:
    return [slice(start, start + AT_ONCE) for start in range(0, n, AT_ONCE)]
