"""What happened to the pairs that are judged, and intervals of figures by drawing customers again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.seeds import rng

RESAMPLES, ENDS = 200, (2.5, 97.5)
Figure = tuple[float, tuple[float, float]]
"""A figure and its 95 % interval."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What happened to the judged pairs.

    rows: int64 [pairs], each pair's customer among those judged, from 0
    next: float64 [pairs], days to the next purchase, inf for none seen; ahead: days that were watched
    """

    rows: NDArray[np.int64]
    next: NDArray[np.float64]
    ahead: int

    @classmethod
    def of(cls, customers: NDArray[np.int64], following: NDArray[np.float64], ahead: int) -> Outcomes:
        """Number the customers from 0."""
        return cls(np.unique(customers, return_inverse=True)[1].astype(np.int64), following, ahead)

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return int(self.rows.max(initial=-1)) + 1

    def draws(self) -> NDArray[np.float64]:
        """How often each customer is drawn in each resample, the same draws for every method; [draws, n]."""
        n = self.customers
        return rng(0, "replenishment", n).multinomial(n, np.full(n, 1.0 / n), RESAMPLES).astype(np.float64)


def redrawn_means(
    values: NDArray[np.float64], rows: NDArray[np.int64], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean of rows in each resample of customers; float64 [draws]."""
    n = draws.shape[1]
    sums, counts = np.bincount(rows, values, minlength=n), np.bincount(rows, minlength=n)
    return np.asarray((draws @ sums) / np.maximum(draws @ counts, 1.0))


def mean_ends(
    values: NDArray[np.float64], rows: NDArray[np.int64], draws: NDArray[np.float64]
) -> tuple[float, float]:
    """95 % interval of the mean of rows when customers are drawn again."""
    return ends_of(redrawn_means(values, rows, draws))


def ends_of(found: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % interval of resampled figures; NaN where none is known."""
    known = np.asarray(found, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, ENDS)
    return float(low), float(high)
