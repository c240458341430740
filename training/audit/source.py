"""The secure source by itself: is its noise normal and of the asked size, are its samples Poisson samples?

`training.audit.checks` measures the same where the product draws; here the counts are large.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import chi2, kstest

from recsys.privacy.mechanisms import SecureNoise
from training.audit.finding import Finding

DRAWS, TOLERANCE = 10**6, 5e-3
LEAST_RANGE = 4.0  # all of 10^6 draws are smaller once in 10^27 audits
CUSTOMERS, RATE = 400, 0.05
FALSE_ALARM = 1e-7  # of one comparison


def source_findings(samples: int, noise: Callable[[], SecureNoise] = SecureNoise) -> list[Finding]:
    """The findings on noise (10^6 draws) and on the sampler (this many samples of 400 customers)."""
    return [*_noise(noise()), *_sampler(noise(), samples)]


def _noise(noise: SecureNoise) -> list[Finding]:
    """A standard deviation of 10^6 draws is off by 0.5 % once in 10^12 audits."""
    drawn = noise.normal(DRAWS, 2.0) / 2.0
    deviation, p = float(drawn.std()), float(kstest(drawn, "norm").pvalue)
    most = float(np.abs(drawn).max())
    size = f"standard deviation of {DRAWS:,} draws: {deviation:.5f} of what was asked for"
    shape = f"Kolmogorov-Smirnov test of {DRAWS:,} draws against the normal distribution: p = {p:.2g}"
    ends = f"the largest of {DRAWS:,} draws is {most:.2f} standard deviations; without a cut at least 4"
    return [
        Finding("source.noise", abs(deviation - 1.0) <= TOLERANCE, deviation, 1.0, size),
        Finding("source.noise", p >= FALSE_ALARM, p, FALSE_ALARM, shape),
        Finding("source.noise", most >= LEAST_RANGE, most, LEAST_RANGE, ends),
    ]


def _sampler(noise: SecureNoise, samples: int) -> list[Finding]:
    """Independent coins: batch sizes vary by N q (1 - q), and so do customers' inclusions (chi-square)."""
    inside = np.zeros((samples, CUSTOMERS), np.bool_)
    for row in inside:
        row[noise.poisson_sample(CUSTOMERS, RATE)] = True
    coin = RATE * (1 - RATE)
    sizes = np.square(inside.sum(axis=1) - CUSTOMERS * RATE).sum() / (CUSTOMERS * coin)
    each = np.square(inside.sum(axis=0) - samples * RATE).sum() / (samples * coin)
    return [
        _spread("batch sizes", float(sizes), samples),
        _spread("customers' inclusions", float(each), CUSTOMERS),
    ]


def _spread(what: str, squares: float, count: int) -> Finding:
    low, high = (float(chi2.ppf(p, count)) / count for p in (FALSE_ALARM / 2, 1 - FALSE_ALARM / 2))
    measured = squares / count
    words = (
        f"{what} vary by {measured:.3f} of a Poisson sample's variance; chance allows {low:.2f}-{high:.2f}"
    )
    return Finding("source.sampler", low <= measured <= high, measured, high, words)
