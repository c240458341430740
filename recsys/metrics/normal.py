"""The upper tail of the normal distribution for arrays, without SciPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TERMS = (
    0.17087277,
    -0.82215223,
    1.48851587,
    -1.13520398,
    0.27886807,
    -0.18628806,
    0.09678418,
    0.37409196,
    1.00002368,
    -1.26551223,
)


def log_upper_tail(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """log P(Z > z) of a standard normal Z; relative error of the tail below 1.2e-7 for every z.

    Chebyshev fit of the complementary error function (Press et al. 2007, Numerical Recipes, 6.2.2).
    """
    x = np.abs(z) / np.sqrt(2.0)
    t = 1.0 / (1.0 + 0.5 * x)
    log_half = np.log(0.5 * t) - x * x + np.polyval(_TERMS, t)
    return np.asarray(np.where(z >= 0.0, log_half, np.log1p(-np.exp(np.minimum(log_half, np.log(0.5))))))
