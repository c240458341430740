"""How long items of a category last: what a customer sends, and the estimate made of the noised histogram."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError
from recsys.features.cycles import intervals

CLIP_NORM = 1.0
BINS = 32
LONGEST_DAYS = 730.0
_EDGES = np.linspace(0.0, np.log(LONGEST_DAYS), BINS + 1)
CENTRES = (_EDGES[1:] + _EDGES[:-1]) / 2.0  # log days
WIDEST, NARROWEST = 2.0, 0.05  # variance of a log gap that is believed
_INSIDE = 1.0 - 1e-12  # keeps rounding on the safe side of the bound


class CategoryGaps(NamedTuple):
    """Mean and variance of the logarithm of the gap in days, by category; float64 [categories] each."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The arrays by name, as a bundle keeps them."""
        return self._asdict()


UNINFORMED = (np.log(30.0), 1.0)


def consumables(catalogue: Catalogue) -> NDArray[np.bool_]:
    """Which items are used up: as the catalogue says, or all where it says so of none; bool [n_items]."""
    return catalogue.consumable if catalogue.consumable.any() else np.ones(len(catalogue), bool)


def histogram_shape(catalogue: Catalogue) -> tuple[int, int]:
    """Categories and bins of the released histogram; public."""
    return len(catalogue.category_codes[1]), BINS


def log_gaps(days: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of gaps in days, between 1 day and 2 years."""
    return np.log(np.clip(days, 1.0, LONGEST_DAYS))


def contribution(h: Histories, catalogue: Catalogue) -> NDArray[np.float64]:
    """Sum over customers of each one's histogram of gaps between purchases, scaled to norm 1.

    float64 [categories, bins]: category of the item (consumables only) by logarithm of the gap.

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    Raises OrderingError unless the data has timestamps.
    """
    cycles = intervals(h)
    shape = histogram_shape(catalogue)
    pairs = cycles.pairs
    used_up = consumables(catalogue)[cycles.items[pairs]]
    pairs, gaps = pairs[used_up], cycles.gaps[used_up]
    bins = np.minimum((log_gaps(gaps) / _EDGES[-1] * BINS).astype(np.int64), BINS - 1)
    cells = catalogue.category_codes[0][cycles.items[pairs]] * np.int64(BINS) + bins
    keys, counts = np.unique(cycles.customers[pairs] * np.prod(shape) + cells, return_counts=True)
    customers, cells = np.divmod(keys, np.prod(shape))
    norms = np.sqrt(np.bincount(customers, counts.astype(np.float64) ** 2))
    values = _INSIDE * CLIP_NORM * counts / norms[customers]
    return np.bincount(cells, values, minlength=int(np.prod(shape))).astype(np.float64).reshape(shape)


def fit(noised: NDArray[np.float64], noise_std: float) -> CategoryGaps:
    """Category means and variances from a noised histogram, shrunk to the distribution over all categories.

    Empirical Bayes with known noise (Morris 1983): a category moves away from the whole as far as its excess
    over noise allows. Moments are linear in the histogram, so negative cells need no clipping.
    Post-processing: costs no privacy.

    noised: float64 [categories, bins]; noise_std: standard deviation of the noise in every cell.
    Raises ConfigError if noise_std is negative.
    """
    if not 0.0 <= noise_std < np.inf:
        raise ConfigError(f"noise_std is {noise_std}; it must be 0 or more")
    values = np.nan_to_num(np.asarray(noised, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    mean, variance = _overall(values.sum(axis=0), noise_std * np.sqrt(len(values)))
    floor = max(noise_std * np.sqrt(BINS), 1e-9)
    weight = np.maximum(values.sum(axis=1), floor)
    means = mean + _shrunk(values, weight, CENTRES - mean, noise_std, variance)
    spread = (CENTRES - means[:, None]) ** 2 - variance
    variances = variance + _shrunk(values, weight, spread, noise_std, 2.0 * variance**2)
    return CategoryGaps(np.clip(means, 0.0, _EDGES[-1]), np.clip(variances, NARROWEST, WIDEST))


def _overall(histogram: NDArray[np.float64], noise_std: float) -> tuple[float, float]:
    """Mean and variance of one noised histogram; uninformed where it is lost in its noise."""
    believed = np.where(histogram > 2.0 * noise_std, histogram, 0.0)
    total = believed.sum()
    if total <= 0.0:
        return UNINFORMED
    mean = float(believed @ CENTRES / total)
    variance = float(believed @ (CENTRES - mean) ** 2 / total)
    return mean, float(np.clip(variance, NARROWEST, WIDEST))


def _shrunk(
    values: NDArray[np.float64],
    weight: NDArray[np.float64],
    feature: NDArray[np.float64],
    noise_std: float,
    spread: float,
) -> NDArray[np.float64]:
    """Category averages of a feature (zero overall), each shrunk to zero by its own uncertainty.

    feature: float64 [bins] or [categories, bins]; spread: variance of the feature within a category
    """
    feature = np.broadcast_to(feature, values.shape)
    average = np.einsum("cb,cb->c", values, feature) / weight
    noise = noise_std**2 * np.einsum("cb,cb->c", feature, feature) / weight**2
    error = noise + spread / np.maximum(weight, 1.0)
    between = 0.0
    for _ in range(30):
        trust = 1.0 / (between + error) ** 2
        between = max(0.0, float(trust @ (average**2 - error) / trust.sum()))
    return np.asarray(between / (between + error) * average)
