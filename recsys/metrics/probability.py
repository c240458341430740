"""How good probabilities of yes-or-no outcomes are: log loss, Brier score, AUC, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-6
"""Probabilities are kept this far from 0 and 1, so that one certain mistake costs 13.8 and not infinity."""
BINS = 10
CHANCE_DRAWS = 200


def log_losses(chances: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Negative log likelihood of every outcome; float64 [n]."""
    kept = np.clip(chances, SMALLEST, 1.0 - SMALLEST)
    return -np.log(np.where(outcomes, kept, 1.0 - kept))


def brier_scores(chances: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Squared error of every probability (Brier 1950); float64 [n]."""
    return np.asarray((chances - outcomes) ** 2)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Probabilities in order, prepared once for areas under many weightings of the same rows.

    place: int64 [n], the place of each row's probability among the distinct ones, ascending
    """

    place: NDArray[np.int64]
    outcomes: NDArray[np.bool_]

    @classmethod
    def of(cls, chances: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> Ranks:
        """Sort the probabilities."""
        return cls(np.unique(chances, return_inverse=True)[1].astype(np.int64), outcomes)

    def auc(self, weights: NDArray[np.float64] | None = None) -> float:
        """P(a yes has a higher probability than a no), ties count half (Hanley and McNeil 1982).

        weights: float64 [n], of rows; None for 1 each. NaN where one of the outcomes has no weight.
        """
        weight = np.ones(len(self.place)) if weights is None else weights
        yes = np.bincount(self.place, weight * self.outcomes)
        no = np.bincount(self.place, weight * ~self.outcomes)
        total = yes.sum() * no.sum()
        if total <= 0.0:
            return float("nan")
        return float((yes * (no.cumsum() - 0.5 * no)).sum() / total)


def equal_width_bins(chances: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """The bin of every probability, bins of equal width; int64 [n]."""
    return np.clip((chances * bins).astype(np.int64), 0, bins - 1)


def equal_mass_bins(chances: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """The bin of every probability, bins with equally many rows; ties stay together; int64 [n]."""
    edges = np.quantile(chances, np.arange(1, bins) / bins)
    return np.searchsorted(edges, chances, side="right").astype(np.int64)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Rows, summed probabilities and summed outcomes of each bin; float64 [bins] each."""

    rows: NDArray[np.float64]
    expected: NDArray[np.float64]
    happened: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        chances: NDArray[np.float64],
        outcomes: NDArray[np.bool_],
        which: NDArray[np.int64],
        bins: int = BINS,
    ) -> Calibration:
        """Sum by bin; which: int64 [n], each row's bin."""
        return cls(
            np.bincount(which, minlength=bins).astype(np.float64),
            np.bincount(which, chances, minlength=bins).astype(np.float64),
            np.bincount(which, outcomes, minlength=bins).astype(np.float64),
        )

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |expected - happened| over rows (Naeini et al. 2015)."""
        return float(np.abs(self.expected - self.happened).sum() / max(self.rows.sum(), 1.0))


def error_by_chance(
    chances: NDArray[np.float64], which: NDArray[np.int64], random: np.random.Generator, bins: int = BINS
) -> float:
    """Calibration error that right probabilities have on so few rows: the mean over draws of the outcomes.

    which: int64 [n], each row's bin. Outcomes are drawn on their own; those that go together, as one
    customer's, differ more from what is expected, so that even right probabilities have more than this.
    """
    expected = np.bincount(which, chances, minlength=bins)
    errors = [
        np.abs(np.bincount(which, random.random(len(chances)) < chances, minlength=bins) - expected).sum()
        for _ in range(CHANCE_DRAWS)
    ]
    return float(np.mean(errors) / max(len(chances), 1))
