"""Epsilon of sampled steps, against a bound from below that owes the accountant nothing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.optimize import brentq
from scipy.special import ndtr

from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from training.audit.finding import Finding

Values = NDArray[np.float64]

DELTA = 1e-6
GRID = 2e-3  # of losses: by less than so much a step is told too little
REACH = 9.0  # standard deviations of noise that are looked at; what lies beyond is left out
CASES = ((PrivacyEvent(1.0, 0.05, 40),), (PrivacyEvent(1.5, 0.3, 6), PrivacyEvent(2.0, 0.2, 12)))
LOST = 1e-12  # of delta, more than Fourier transforms lose


def composed_steps() -> list[Finding]:
    """What the accountant says of composed steps is never below the bound."""
    return [_finding(case) for case in CASES]


def at_least(events: tuple[PrivacyEvent, ...], delta: float) -> float:
    """A lower bound on epsilon at delta of Poisson-sampled Gaussian steps, the customer being removed.

    Each step's privacy loss is rounded down to a grid and its ends are left out: both make
    delta(epsilon) = E[max(0, 1 - exp(epsilon - loss))] smaller. Losses add up, so that their distributions
    are convolved (Koskela et al. 2020), here on a circle that holds all of them.
    """
    steps = [(*_losses(event), event.steps) for event in events]
    lowest = sum(first * times for first, _, times in steps)
    length = sum((len(masses) - 1) * times for _, masses, times in steps) + 1
    size = fft.next_fast_len(length, real=True)
    spectrum = np.ones(size // 2 + 1, np.complex128)
    for _, masses, times in steps:
        spectrum *= fft.rfft(masses, size) ** times
    masses = fft.irfft(spectrum, size)[:length]
    losses = GRID * (lowest + np.arange(length))
    masses, losses = masses[losses > 0], losses[losses > 0]

    def excess(epsilon: float) -> float:
        over = losses > epsilon
        return float(masses[over] @ -np.expm1(epsilon - losses[over])) - delta - LOST

    return float(brentq(excess, 0.0, float(losses[-1]))) if excess(0.0) > 0 else 0.0


def _losses(event: PrivacyEvent) -> tuple[int, Values]:
    """The loss log(1 - q + q exp((2x - 1) / 2 sigma^2)) of one step: the first place on the grid, and masses.

    x has the density (1 - q) N(0, sigma^2) + q N(1, sigma^2).
    """
    noise, rate = event.noise_multiplier, event.sampling_rate
    low, high = (
        np.log1p(rate * math.expm1((2 * x - 1) / (2 * noise**2))) for x in (-REACH * noise, 1 + REACH * noise)
    )
    first, last = math.floor(low / GRID), math.floor(high / GRID)
    inner = np.expm1(GRID * np.arange(first + 1, last + 1)) / rate
    outcomes = noise**2 * np.log1p(np.maximum(inner, -1 + 1e-300)) + 0.5
    edges = np.concatenate([[-REACH * noise], outcomes, [1 + REACH * noise]])
    shares = (1 - rate) * ndtr(edges / noise) + rate * ndtr((edges - 1) / noise)
    return first, np.maximum(np.diff(shares), 0.0)


def _finding(events: tuple[PrivacyEvent, ...]) -> Finding:
    what = " and ".join(f"{e.steps} of noise {e.noise_multiplier:g} at {e.sampling_rate:g}" for e in events)
    shown, bound = accountant.epsilon(events, DELTA), at_least(events, DELTA)
    words = f"steps, {what}: the accountant says {shown:.4f}, and it is {bound:.4f} at least"
    return Finding("composed steps", shown >= bound > 0, shown, bound, words)
