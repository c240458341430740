"""How likely a figure is by chance, if noise is standard normal and each draw is its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, chdtr, chdtrc, ndtr, ndtri, pdtrc
from scipy.stats import kstest, kurtosistest

Values = NDArray[np.float64]

TOLERANCE = 1e-6  # float32 keeps noise of 20 beside sums of a hundred this well
LEAST_OVERLAP = 8
FARTHEST = 37.0  # standard deviations: beyond, a tail is no number above 0
LEAST_TERMS = 500  # of a correlation, so that it is normal far into its tails


def of_variance(values: Values) -> float:
    """Values of mean 0 and variance 1: their squares add up to a chi-squared number; two-sided."""
    total, freedom = float(np.square(values).sum()), values.size
    return 2 * min(float(chdtr(freedom, total)), float(chdtrc(freedom, total)))


def of_mean(values: Values) -> float:
    """Their sum is normal; two-sided."""
    return 2 * float(ndtr(-abs(float(values.sum())) / max(values.size, 1) ** 0.5))


def of_shape(values: Values) -> dict[str, float]:
    """Kolmogorov-Smirnov's test, the fourth moment (Anscombe & Glynn 1983) and both ends of the range."""
    most = float(np.abs(values).max())
    tail = 2 * float(ndtr(-most))
    return {
        "distribution": float(kstest(values, "norm").pvalue),
        "fourth moment": float(kurtosistest(values).pvalue) if values.std() > 0 else 0.0,
        "largest, too small": float(np.exp(values.size * np.log1p(-tail))) if tail < 1 else 0.0,
        "largest, too large": min(1.0, values.size * tail),
    }


def of_squares(squares: Values, freedom: int) -> float:
    """The oddest of many sums of squares of `freedom` draws each, Bonferroni's bound."""
    low, high = chdtr(freedom, squares.min()), chdtrc(freedom, squares.max())
    return min(1.0, 2 * len(squares) * float(min(low, high)))


def of_spread(squares: Values, freedom: int) -> float:
    """Sums of squares of `freedom` draws each vary as much as they should, on a normal scale; two-sided."""
    low, high = chdtr(freedom, squares), chdtrc(freedom, squares)
    places = np.where(low < high, ndtri(low), -ndtri(high))
    return of_variance(np.clip(places, -FARTHEST, FARTHEST))


def of_phases(values: Values, steps: Values) -> float:
    """The step of which values are multiples most of all, Bonferroni's bound; steps far below 1.

    Values over a step, less whole numbers, lie evenly on a circle unless they were rounded: n times the
    square of their mean direction is then about exponential (Rayleigh's test).
    """
    turns = np.exp(2j * np.pi * (values.ravel()[:, None] / steps))
    return min(1.0, len(steps) * float(np.exp(-values.size * np.square(np.abs(turns.mean(axis=0))).max())))


def of_cosines(one: Values, other: Values) -> float:
    """The largest correlation of two vectors laid over each other in every way, forwards and backwards.

    Each overlap of m places has a cosine whose square is Beta(1/2, (m - 1)/2) if one of both is spherical,
    whatever the other is; Bonferroni's bound over all overlaps.
    """
    found = [_oddest_cosine(one, turned) for turned in (other, other[::-1])]
    return min(1.0, 2 * (len(one) + len(other)) * min(found))


def _oddest_cosine(one: Values, other: Values) -> float:
    n, m = len(one), len(other)
    size = 1 << (n + m - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(one, size) * np.fft.rfft(other[::-1], size), size)[: n + m - 1]
    end = np.arange(n + m - 1)  # the last place of `one` under `other`, as if it went on
    first, last = np.maximum(end - m + 1, 0), np.minimum(end + 1, n)
    lengths = last - first
    energy_one = _between(one, first, last)
    energy_other = _between(other, first - (end - m + 1), last - (end - m + 1))
    enough = (lengths >= min(LEAST_OVERLAP, n, m)) & (energy_one > 0) & (energy_other > 0)
    if not enough.any():
        return 0.0
    square = np.minimum(np.square(product[enough]) / (energy_one * energy_other)[enough], 1.0)
    oddness = (lengths[enough] - 1) * -np.log1p(-np.minimum(square, 1 - 1e-15))
    worst = int(oddness.argmax())
    return float(betainc((lengths[enough][worst] - 1) / 2, 0.5, 1 - square[worst]))


def _between(values: Values, first: NDArray[np.int64], last: NDArray[np.int64]) -> Values:
    summed = np.concatenate(([0.0], np.square(values).cumsum()))
    return np.asarray(summed[last] - summed[first])


def of_matches(one: Values, other: Values | None = None) -> float:
    """Sizes that are there twice, wherever they stand and whatever their sign: pairs closer than TOLERANCE.

    Two independent draws are that close with chance 2 TOLERANCE / sqrt(pi); the number of such pairs is
    Poisson's. other: None for pairs within one vector.
    """
    sizes = np.sort(np.abs(one))
    if other is None:
        pairs = len(sizes) * (len(sizes) - 1) / 2
        close = sizes.searchsorted(sizes + TOLERANCE, "right") - np.arange(1, len(sizes) + 1)
    else:
        pairs, found = len(sizes) * len(other), np.abs(other)
        close = sizes.searchsorted(found + TOLERANCE, "right") - sizes.searchsorted(found - TOLERANCE)
    return _at_least(int(close.sum()), pairs * 2 * TOLERANCE / np.pi**0.5)


def _at_least(count: int, mean: float) -> float:
    """That a Poisson number is as large as `count`."""
    return float(pdtrc(count - 1, mean)) if count else 1.0


def of_autocorrelation(values: Values) -> float:
    """The oddest correlation of places with other places, shifted or mirrored; [repeats, n], pooled.

    A sum of many products of two draws each is close to normal; Bonferroni's bound over all sums.
    """
    repeats, n = values.shape
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(values, size)
    shifted = np.fft.irfft(np.square(np.abs(spectrum)).sum(axis=0), size)[1:n]
    mirrored = np.fft.irfft(np.square(spectrum).sum(axis=0), size)[: 2 * n - 1]
    middle = np.zeros(2 * n - 1)
    middle[::2] = np.square(values).sum(axis=0)
    places = np.arange(2 * n - 1)
    pairs = (np.minimum(places, 2 * n - 2 - places) + 1) // 2
    sums = np.concatenate([shifted, (mirrored - middle) / 2])
    terms = repeats * np.concatenate([np.arange(n - 1, 0, -1), pairs])
    enough = terms >= LEAST_TERMS
    if not enough.any():
        return 1.0
    oddest = float((np.abs(sums[enough]) / np.sqrt(terms[enough])).max())
    return min(1.0, 2 * int(enough.sum()) * float(ndtr(-oddest)))
