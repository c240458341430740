"""The chance, day by day, that a pair is bought again: a discrete-time hazard, complementary log-log link.

With x what is known of a pair on a day, the chance of a purchase between a and b days later, if there was
none before, is 1 - exp(-(b - a) exp(x . theta)) (Prentice and Gloeckler 1978; proportional hazards of Cox
1972). Among x are the log hazard of a log-normal gap with the pair's own mean and spread, which rises sharply
for a regular rhythm, a spline in the log of elapsed against expected time, and the log rate of a
gamma-Poisson (Ehrenberg 1959).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.features.rhythm import Rhythms
from recsys.metrics.normal import log_upper_tail
from recsys.models.season_clock import Clock

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
AT_ONCE = 10_000  # pairs: what they need stays near the processor

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
    return _varying(pairs, np.array([begin, end]))[:, 0]


def outlook(
    pairs: Rhythms,
    appeals: Floats,
    theta: Floats,
    days: Sequence[float],
    shares: Sequence[float],
    clock: Clock | None = None,
) -> tuple[Floats, Floats]:
    """`chances` within so many days and `moments` of such shares, in one pass.

    clock: by which pairs' times are measured (`recsys.models.season_clock`); None for the calendar's
    """
    places = _places(days)
    found = [
        (-np.expm1(-curve.cumulative[:, places]), curve.moments(shares))
        for curve in _curves(pairs, appeals, theta, clock)
    ]
    first = np.concatenate([chance for chance, _ in found] or [np.zeros((0, len(days)))])
    return first, np.concatenate([moment for _, moment in found] or [np.zeros((0, len(shares)))])


def chances(pairs: Rhythms, appeals: Floats, theta: Floats, days: Sequence[float]) -> Floats:
    """P(bought within so many days), for each number of days (one of EDGES); float64 [pairs, days]."""
    return outlook(pairs, appeals, theta, days, ())[0]


def moments(pairs: Rhythms, appeals: Floats, theta: Floats, shares: Sequence[float]) -> Floats:
    """Days until each share of such pairs was bought again, at most FURTHEST; float64 [pairs, shares]."""
    return outlook(pairs, appeals, theta, (), shares)[1]


class _Curve(NamedTuple):
    """Cumulative hazard at every edge [pairs, bins + 1], and hazard a day between them [pairs, bins]."""

    cumulative: Floats
    hazards: Floats

    def moments(self, shares: Sequence[float]) -> Floats:
        rows, found = np.arange(len(self.hazards)), np.zeros((len(self.hazards), len(shares)))
        for column, share in enumerate(shares):
            wanted = -np.log1p(-share)
            bin_ = np.minimum((self.cumulative[:, 1:] <= wanted).sum(axis=1), len(EDGES) - 2)
            left = wanted - self.cumulative[rows, bin_]
            found[:, column] = EDGES[bin_] + left / self.hazards[rows, bin_]
        return np.asarray(np.minimum(found, FURTHEST))


def _curves(pairs: Rhythms, appeals: Floats, theta: Floats, clock: Clock | None) -> Iterator[_Curve]:
    """Of some pairs at a time: all bins at once, as one customer's few pairs want it."""
    for start in range(0, len(pairs), AT_ONCE):
        part = pairs.where(slice(start, start + AT_ONCE))
        part, edges = (part, EDGES) if clock is None else clock(part)
        # Not `@`: it rounds a row by where in the block it stands, and so by who else is there.
        base = np.einsum("pk,k->p", fixed_columns(part, appeals), theta[:7])
        log_hazards = base[:, None] + np.einsum("pbk,k->pb", _varying(part, edges), theta[7:])
        hazards = np.exp(np.clip(log_hazards, LEAST_LOG, MOST_LOG))
        if clock is not None:  # a day of the calendar is longer or shorter by the clock
            hazards *= np.diff(edges) / np.diff(EDGES)
        cumulative = np.zeros((len(part), len(EDGES)))
        np.cumsum(hazards * np.diff(EDGES), axis=1, out=cumulative[:, 1:])
        yield _Curve(cumulative, hazards)


def _varying(pairs: Rhythms, edges: Floats) -> Floats:
    """The features between neighbouring edges, days ahead; float64 [pairs, edges - 1, 4]."""
    elapsed, gap, spread = (column[:, None] for column in (pairs.elapsed, pairs.gap, pairs.spread))
    longer = log_upper_tail((np.log(elapsed + edges) - gap) / spread)  # log chance of a gap beyond the edge
    hazard = np.maximum(longer[:, :-1] - longer[:, 1:], 1e-12) / np.diff(edges)
    ratio = np.clip(np.log(elapsed + (edges[..., 1:] + edges[..., :-1]) / 2.0) - gap, -3.0, 3.0)
    spline = [np.maximum(ratio - knot, 0.0) for knot in KNOTS]
    return np.stack([np.clip(np.log(hazard) + gap, -3.0, 4.0), ratio, *spline], axis=2)


def _places(days: Sequence[float]) -> NDArray[np.int64]:
    places = np.searchsorted(EDGES, np.asarray(days, np.float64))
    if not np.array_equal(EDGES[places], days):
        raise ValueError(f"chances are known at {EDGES.tolist()} days, not at all of {list(days)}")
    return places
