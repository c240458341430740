"""How long items of a category last: what a customer sends, and the estimate made of the noised histogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError
from recsys.features.cycles import intervals
from recsys.privacy.clipping import WITHIN, on_grid

CLIP_NORM = 1.0
BINS = 32
LONGEST_DAYS = 730.0
_EDGES = np.linspace(0.0, np.log(LONGEST_DAYS), BINS + 1)
CENTRES = (_EDGES[1:] + _EDGES[:-1]) / 2.0  # log days
NARROWEST, WIDEST = 0.05, 2.0  # variances of a log gap that are considered
CERTAIN = 3.0  # standard deviations of noise that the whole histogram must exceed to say anything
EM_STEPS = 5

_MEANS, _VARIANCES = (
    grid.ravel() for grid in np.meshgrid(np.linspace(0.0, _EDGES[-1], 67), np.geomspace(NARROWEST, WIDEST, 9))
)
_SHAPES = np.exp(-0.5 * (CENTRES - _MEANS[:, None]) ** 2 / _VARIANCES[:, None])
_SHAPES /= _SHAPES.sum(axis=1, keepdims=True)


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


def usual_gaps(gaps: Mapping[str, NDArray[Any]], catalogue: Catalogue) -> NDArray[np.float64]:
    """Log of the days between purchases that are usual for each item, by its category; float64 [n_items].

    gaps: published arrays, of which `mean` is read, if there is one
    """
    if "mean" not in gaps:
        return np.full(len(catalogue), UNINFORMED[0])
    return np.asarray(gaps["mean"], np.float64)[catalogue.category_codes[0]]


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
    values = on_grid(WITHIN * CLIP_NORM * counts / norms[customers])
    return np.bincount(cells, values, minlength=int(np.prod(shape))).astype(np.float64).reshape(shape)


def fit(noised: NDArray[np.float64], noise_std: float) -> CategoryGaps:
    """Category means and variances from a noised histogram, each with as much of the whole as it needs.

    Every category's gaps follow one of a grid of log-normals. The whole histogram makes a first prior over it
    and expectation-maximisation over the categories refines that (empirical Bayes, Morris 1983); the
    estimates are posterior means. A category's size is profiled out, which for Gaussian noise leaves
    exp((H . f)^2 / (2 f . f s^2)) as the likelihood of a shape f. Post-processing: costs no privacy.

    noised: float64 [categories, bins]; noise_std: standard deviation of the noise in every cell.
    Raises ConfigError if noise_std is negative.
    """
    if not 0.0 <= noise_std < np.inf:
        raise ConfigError(f"noise_std is {noise_std}; it must be 0 or more")
    values = np.nan_to_num(np.asarray(noised, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if values.sum() <= CERTAIN * noise_std * np.sqrt(values.size):
        return CategoryGaps(*(np.full(len(values), value) for value in UNINFORMED))
    first = _first_prior(values.sum(axis=0), noise_std * np.sqrt(len(values)))
    likelihood, prior = _likelihood(values, noise_std), first
    for _ in range(EM_STEPS):
        prior = (_posterior(likelihood, prior).mean(axis=0) + first) / 2.0
    posterior = _posterior(likelihood, prior)
    return CategoryGaps(posterior @ _MEANS, posterior @ _VARIANCES)


def _likelihood(values: NDArray[np.float64], noise_std: float) -> NDArray[np.float64]:
    """How well each shape explains each row, up to a factor per row; float64 [rows, shapes]."""
    sampling = np.maximum(values.sum(axis=1), 0.0) / BINS
    match = np.maximum(values @ (_SHAPES / np.linalg.norm(_SHAPES, axis=1, keepdims=True)).T, 0.0)
    log_likelihood = 0.5 * match**2 / (noise_std**2 + sampling + 1e-9)[:, None]
    return np.asarray(np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True)))


def _posterior(likelihood: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    joint = likelihood * prior
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _first_prior(whole: NDArray[np.float64], noise_std: float) -> NDArray[np.float64]:
    """Categories lie about the whole, no wider apart than it is wide, and none is wider; float64 [shapes]."""
    blurred = _posterior(_likelihood(whole[None], noise_std), np.ones(len(_SHAPES)))[0] @ _SHAPES
    mean = blurred @ CENTRES
    variance = max(float(blurred @ (CENTRES - mean) ** 2), NARROWEST)
    prior = np.exp(-0.5 * (_MEANS - mean) ** 2 / variance) * (1.01 * variance >= _VARIANCES) + 1e-9
    return np.asarray(prior / prior.sum())
