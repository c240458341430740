"""Log-normal gaps between purchases: the customer's own mean, shrunk to the category's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY
from recsys.data.vocab import Catalogue
from recsys.features.cycles import Cycles
from recsys.metrics.normal import log_upper_tail
from recsys.models.intervals import UNINFORMED, CategoryGaps, log_gaps

BETWEEN = 0.5  # share of a category's variance that lies between customers and items
QUANTILES = {0.1: -1.2815515655446004, 0.5: 0.0, 0.9: 1.2815515655446004}
LAPSED = 3.0  # standard deviations overdue after which a habit counts as given up

Floats = NDArray[np.float64]


class Gap(NamedTuple):
    """Mean and standard deviation of the logarithm of the next gap in days; float64 [pairs] each."""

    mean: Floats
    deviation: Floats


def next_gap(cycles: Cycles, gaps: CategoryGaps | None, catalogue: Catalogue) -> Gap:
    """Each pair's next gap: normal with normal prior, by the category's published gaps (None: a month)."""
    codes = catalogue.category_codes[0][cycles.items]
    if gaps is None:
        prior, variance = np.full(len(codes), UNINFORMED[0]), np.full(len(codes), UNINFORMED[1])
    else:
        prior, variance = gaps.mean[codes], gaps.variance[codes]
    within, between = (1.0 - BETWEEN) * variance, BETWEEN * variance
    total = np.bincount(cycles.pairs, log_gaps(cycles.gaps), minlength=len(codes))
    left = 1.0 / (1.0 / between + cycles.counts / within)
    return Gap(left * (prior / between + total / within), np.sqrt(left + within))


def seconds(gap: Gap, share: float) -> NDArray[np.int64]:
    """Seconds from the latest purchase until this share (one of QUANTILES) of such gaps is over; [pairs]."""
    days = np.exp(gap.mean + QUANTILES[share] * gap.deviation)
    return np.asarray(np.rint(days * SECONDS_PER_DAY).astype(np.int64))


def chance(elapsed: Floats, days: float, gap: Gap) -> Floats:
    """P(gap <= elapsed + days | gap > elapsed); elapsed: days since the latest purchase, float64 [pairs]."""
    later = log_upper_tail(_z(elapsed + days, gap))
    return np.asarray(-np.expm1(later - log_upper_tail(_z(elapsed, gap))))


def lapsed(elapsed: Floats, gap: Gap) -> NDArray[np.bool_]:
    """Which pairs are overdue beyond any doubt; bool [pairs]."""
    return _z(elapsed, gap) > LAPSED


def _z(days: Floats, gap: Gap) -> Floats:
    return np.asarray((np.log(np.maximum(days, 1e-9)) - gap.mean) / gap.deviation)
