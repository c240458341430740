"""Epsilon by other ways than the accountant's: closed form, quadrature, Fourier composition, Opacus' PRV.

Every answer is an interval that holds the truth; its width is the stated error of the reference.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, integrate
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

from recsys.privacy.events import PrivacyEvent

# Above what float64 makes of a sum of a few million products, for each step that is composed.
FOURIER_ERROR = 4e-16
ORDERS = np.geomspace(0.1, 200.0, 30)


@dataclass(frozen=True)
class Epsilon:
    """The truth is in [low, high]."""

    low: float
    high: float

    def __or__(self, other: Epsilon) -> Epsilon:
        """The larger of two truths."""
        return Epsilon(max(self.low, other.low), max(self.high, other.high))


def closed_form(noise: float, delta: float) -> Epsilon:
    """The Gaussian mechanism of sensitivity 1 (Balle & Wang 2018, theorem 8), solved for epsilon."""
    mu = 1 / noise

    def excess(epsilon: float) -> float:
        below = math.exp(epsilon + log_ndtr(-epsilon / mu - mu / 2))
        return float(ndtr(mu / 2 - epsilon / mu) - below - delta)

    top = mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta))
    root = 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, top, xtol=1e-14, rtol=1e-13))
    return Epsilon(root * (1 - 1e-9), root * (1 + 1e-9) + 1e-12)


def quadrature(noise: float, rate: float, delta: float) -> Epsilon:
    """One Poisson-sampled step: integral of max(0, p - e^epsilon q), both directions, solved for epsilon."""
    return _one_step("remove", noise, rate, delta) | _one_step("add", noise, rate, delta)


def _one_step(direction: str, noise: float, rate: float, delta: float) -> Epsilon:
    sign = 1.0 if direction == "remove" else -1.0

    def excess(epsilon: float) -> float:
        if sign < 0 and -epsilon <= math.log1p(-rate):
            return -delta
        start = _outcome_of(sign * epsilon, noise, rate)

        def density(x: float) -> float:
            loss = sign * _loss(x, noise, rate)
            log_p = -0.5 * (x / noise) ** 2 + (_loss(x, noise, rate) if sign > 0 else 0.0)
            return math.exp(log_p) * -math.expm1(epsilon - loss) / (noise * math.sqrt(2 * math.pi))

        # The integrand is smooth and positive on one side of `start`; in pieces, so that none is missed.
        cuts = start + sign * noise * np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0 + 2 / noise**2])
        parts = [
            integrate.quad(density, *sorted(cut), epsabs=0.0, epsrel=1e-10)[0]
            for cut in itertools.pairwise(cuts)
        ]
        return math.fsum(parts) - delta

    if excess(0.0) <= 0:
        return Epsilon(0.0, 0.0)
    top = 1.0
    while excess(top) > 0:
        top *= 2
    root = float(brentq(excess, 0.0, top, xtol=1e-13, rtol=1e-12))
    return Epsilon(root * (1 - 1e-6), root * (1 + 1e-6) + 1e-12)


def fourier(events: Sequence[PrivacyEvent], delta: float, error: float) -> Epsilon:
    """Composed steps, both directions: losses rounded to a grid, convolved, within about `error` of epsilon.

    A step's rounding error lies in an interval of one grid step's length and has mean 0 once the means
    agree, so the errors of T steps add up to more than h sqrt(T log(2 / eta) / 2) with chance eta at most
    (Hoeffding 1963), as Gopi, Lee & Wutschitz (2021) use it. eta, what lies outside the grid and what
    float64 loses are taken from delta for one end of the interval and added to it for the other.
    """
    return _fourier("remove", events, delta, error) | _fourier("add", events, delta, error)


def _fourier(direction: str, events: Sequence[PrivacyEvent], delta: float, error: float) -> Epsilon:
    total = sum(event.steps for event in events)
    eta, moments = delta * 1e-4, _log_moments(direction, events)
    step = error / math.sqrt(total * math.log(2 / eta) / 2)
    half = fft.next_fast_len(math.ceil((_reach(moments, eta) + 2 * error) / step), real=True)
    grid = step * np.arange(-half, half)
    edges = step * (np.arange(-half, half + 1) - 0.5)
    spectrum, mean, outside = np.ones(half + 1, np.complex128), 0.0, 0.0
    for event in events:
        masses, lost = _rounded(direction, event, edges)
        spectrum *= fft.rfft(fft.ifftshift(masses)) ** event.steps
        mean += event.steps * (_mean_loss(direction, event) - float(masses @ grid))
        outside += event.steps * lost
    composed = fft.fftshift(fft.irfft(spectrum, 2 * half))
    slack = eta + outside + _wrapped(moments, half * step - error) + FOURIER_ERROR * (total + 40)
    losses = grid + mean
    return Epsilon(
        max(0.0, _solve(losses, composed, delta + slack) - error),
        _solve(losses, composed, delta - slack) + error,
    )


def opacus_prv(events: Sequence[PrivacyEvent], delta: float, error: float) -> Epsilon:
    """Opacus' PRV accountant, eps_error = `error`, delta_error = delta / 1000; it knows 'remove' alone."""
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(event.noise_multiplier, event.sampling_rate, event.steps) for event in events]
    losses = accountant._get_dprv(eps_error=error, delta_error=delta / 1000)
    low, _, high = losses.compute_epsilon(delta, delta / 1000, error)
    return Epsilon(float(low), float(high))


def _loss(x: np.ndarray | float, noise: float, rate: float) -> np.ndarray | float:
    """log of mixture over plain Gaussian at x: the loss of 'remove', and minus that of 'add'."""
    shift = (x - 0.5) / noise**2
    if rate == 1.0:
        return shift
    return np.logaddexp(math.log1p(-rate), math.log(rate) + shift)


def _outcome_of(loss: np.ndarray | float, noise: float, rate: float) -> np.ndarray | float:
    """The inverse of `_loss`; minus infinity for what it never reaches."""
    if rate == 1.0:
        return noise**2 * loss + 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        # log((e^loss - (1 - rate)) / rate), without overflow for large losses.
        inner = loss + np.log(-np.expm1(np.minimum(math.log1p(-rate) - loss, 0.0))) - math.log(rate)
    return noise**2 * inner + 0.5


def _rounded(direction: str, event: PrivacyEvent, edges: np.ndarray) -> tuple[np.ndarray, float]:
    """The chance that a step's loss is between neighbouring edges, and the chance that it is outside."""
    noise, rate = event.noise_multiplier, event.sampling_rate
    if direction == "add":
        outcomes = _outcome_of(-edges[::-1], noise, rate) / noise
        return _between(outcomes)[::-1], _beyond(outcomes)
    outcomes = _outcome_of(edges, noise, rate) / noise
    moved = outcomes - 1 / noise
    masses = rate * _between(moved) + (1 - rate) * _between(outcomes)
    return masses, rate * _beyond(moved) + (1 - rate) * _beyond(outcomes)


def _beyond(edges: np.ndarray) -> float:
    return float(ndtr(edges[0]) + ndtr(-edges[-1]))


def _between(edges: np.ndarray) -> np.ndarray:
    """Normal chances between neighbouring edges, to full relative precision in both tails."""
    upper = edges[:-1] > 0
    return np.where(upper, ndtr(-edges[:-1]) - ndtr(-edges[1:]), ndtr(edges[1:]) - ndtr(edges[:-1]))


def _mean_loss(direction: str, event: PrivacyEvent) -> float:
    """Kullback-Leibler divergence, by the trapezoid rule, which is exact for smooth decaying functions."""
    noise, rate = event.noise_multiplier, event.sampling_rate
    x, width = np.linspace(-40 * noise, 40 * noise + 1, 200_001, retstep=True)
    losses = _loss(x, noise, rate)
    plain = np.exp(-0.5 * (x / noise) ** 2) / (noise * math.sqrt(2 * math.pi))
    if direction == "add":
        return float(-(plain @ losses) * width)
    moved = np.exp(-0.5 * ((x - 1) / noise) ** 2) / (noise * math.sqrt(2 * math.pi))
    return float((((1 - rate) * plain + rate * moved) @ losses) * width)


def _log_moment(direction: str, event: PrivacyEvent, order: float) -> float:
    """log of the larger of E exp(order * loss) and E exp(-order * loss) of one step; trapezoid rule."""
    noise, rate = event.noise_multiplier, event.sampling_rate
    reach = 40 * noise + 2 * order + 2
    x, width = np.linspace(-reach, reach, 8_001, retstep=True)
    losses = _loss(x, noise, rate)
    log_p = -0.5 * (x / noise) ** 2 + (losses if direction == "remove" else 0.0)
    log_p -= math.log(noise * math.sqrt(2 * math.pi))
    both = (np.logaddexp.reduce(log_p + sign * order * losses) for sign in (1.0, -1.0))
    return float(max(both)) + math.log(width)


def _log_moments(direction: str, events: Sequence[PrivacyEvent]) -> list[tuple[float, float]]:
    """(order, log moment of the composed loss) for Chernoff's bound on either tail."""
    return [
        (order, sum(event.steps * _log_moment(direction, event, order) for event in events))
        for order in ORDERS.tolist()
    ]


def _reach(moments: list[tuple[float, float]], eta: float) -> float:
    """What the composed loss exceeds on either side with chance eta at most."""
    return min((log_moment + math.log(2 / eta)) / order for order, log_moment in moments)


def _wrapped(moments: list[tuple[float, float]], reach: float) -> float:
    """The chance that the composed loss leaves the grid, where the convolution would wrap it round."""
    return 2 * math.exp(min(0.0, min(log_moment - order * reach for order, log_moment in moments)))


def _solve(losses: np.ndarray, masses: np.ndarray, delta: float) -> float:
    """The epsilon at which the sum of masses * max(0, 1 - e^(epsilon - loss)) is delta; 0 if it never is."""
    above = losses > 0
    losses, masses = losses[above], masses[above]
    mass = np.cumsum(masses[::-1])[::-1]
    weighted = np.cumsum((masses * np.exp(-losses))[::-1])[::-1]
    if not len(losses) or mass[0] - weighted[0] <= delta:
        return 0.0
    # delta(epsilon) falls; `last` is the last grid point below the root.
    last = int(np.flatnonzero(mass - np.exp(losses) * weighted >= delta).max(initial=-1)) + 1
    return math.log((mass[last] - delta) / weighted[last])
