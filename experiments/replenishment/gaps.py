"""Baselines that know a gap and nothing else: the customer's own mean or median, the category's mean.

The date is one gap after the latest purchase, and today where that is past. A gap by itself says nothing of
chances; they are those of a purchase without memory at the rate of one a gap (exponential).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.forecast import Forecast, exponential
from experiments.replenishment.pairs import Pairs
from recsys.data.vocab import Catalogue

FEW = 20  # gaps of a category below which the mean of all gaps is taken
UNKNOWN_DAYS = 30.0


def personal_mean_gap(pairs: Pairs) -> Forecast:
    """The pair's own mean gap; with one purchase, the mean of all gaps."""
    return _after(pairs, pairs.mean_gap)


def personal_median_gap(pairs: Pairs) -> Forecast:
    """The pair's own median gap; with one purchase, the mean of all gaps."""
    return _after(pairs, pairs.median_gap)


def category_gap(pairs: Pairs, catalogue: Catalogue) -> Forecast:
    """The mean gap of the item's category; of all items where it has few gaps, or there are no categories."""
    codes, names = catalogue.category_codes
    of_gap = codes[pairs.items[pairs.gap_rows]]
    counts = np.bincount(of_gap, minlength=len(names))
    sums = np.bincount(of_gap, pairs.gaps, minlength=len(names))
    mean = np.where(counts >= FEW, sums / np.maximum(counts, 1), np.nan)
    return _after(pairs, mean[codes[pairs.items]])


def _after(pairs: Pairs, gap: NDArray[np.float64]) -> Forecast:
    overall = float(pairs.gaps.mean()) if len(pairs.gaps) else UNKNOWN_DAYS
    days = np.where(np.isnan(gap), overall, gap)
    return exponential(days, np.maximum(days - pairs.elapsed, 0.0))
