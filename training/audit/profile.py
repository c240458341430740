"""A claim's whole trade-off curve: how well any attack on one customer can do at a rate of false alarms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from dp_accounting.pld import privacy_loss_distribution as pld
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent

GRID = 240  # values of epsilon at which a profile is read
LOSSES = 1_500  # grid of the privacy loss, in points for the claim's epsilon
FAR = 1e-14  # where the profile is read no further
LEAST_NOISE, MOST_NOISE, HALVINGS = 0.1, 30.0, 8


class TradeOff(Protocol):
    """The claim as a curve: no attack that says "in" with chance x out of the data set, says it with more
    than `power(x)` in it; `power` is 1 - f of f-DP (Dong, Roth & Su 2022), increasing and concave."""

    def needed(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """The least rate of false alarms at which the claim allows this power; the inverse of 1 - f."""
        ...


@dataclass(frozen=True)
class GaussianTradeOff:
    """Gaussian DP, exact: power Phi(Phi^-1(x) + mu)."""

    mu: float

    def needed(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(ndtr(ndtri(np.clip(power, 0.0, 1.0)) - self.mu))


@dataclass(frozen=True)
class ProfileTradeOff:
    """What a privacy profile delta(epsilon) allows, epsilon >= 0, valid for adding and for removing.

    f(x) = max over epsilon of 0, 1 - delta - e^eps x and e^-eps (1 - delta - x) (Wasserman & Zhou 2010; Dong,
    Roth & Su 2022). Every point of the profile is an upper bound, so f is a lower bound: pessimistic.
    """

    epsilons: NDArray[np.float64]
    deltas: NDArray[np.float64]

    def needed(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        y = np.clip(power, 0.0, 1.0)[..., None]
        low = (y - self.deltas) * np.exp(-self.epsilons)
        high = 1.0 - self.deltas - np.exp(self.epsilons) * (1.0 - y)
        return np.asarray(np.maximum(np.maximum(low, high).max(-1), 0.0))


def trade_off(events: Sequence[PrivacyEvent], delta: float) -> TradeOff:
    """The curve of composed events: exact for plain Gaussians, otherwise from dp_accounting's pessimistic
    privacy loss distribution. delta: of the claim; says how far the profile is read."""
    return _trade_off(accountant.canonical(events), delta)


@lru_cache(maxsize=64)
def _trade_off(composed: tuple[PrivacyEvent, ...], delta: float) -> TradeOff:
    if len(composed) == 1 and composed[0].sampling_rate == 1.0:
        return GaussianTradeOff(1 / composed[0].noise_multiplier)
    epsilon = accountant.epsilon(composed, delta)
    interval = 2.0 ** math.floor(math.log2(epsilon / LOSSES))
    losses = _loss(composed[0], interval)
    for event in composed[1:]:
        losses = losses.compose(_loss(event, interval))
    epsilons = np.concatenate([np.linspace(0.0, epsilon, GRID), epsilon * np.linspace(1.05, 3.0, GRID // 6)])
    with np.errstate(over="ignore", invalid="ignore"):  # beyond e^700 nothing is left to read
        deltas = np.asarray(losses.get_delta_for_epsilon(epsilons), np.float64)
    kept = deltas > FAR
    return ProfileTradeOff(epsilons[kept], deltas[kept])


def largest_rejected(
    rejects: Callable[[TradeOff], bool], events: Sequence[PrivacyEvent], delta: float
) -> float:
    """The largest epsilon, at the claim's delta, among claims like this one that an observation rejects.

    The claims are this one's events with all noise multiplied by one number, from a tenth to thirty: each
    allows less than the next, so a bound read off them holds at the test's own significance. 0 if none is
    rejected; what is between two claims of the search counts as not rejected.
    """

    def family(log_scale: float) -> tuple[PrivacyEvent, ...]:
        scale = math.exp(log_scale)
        return tuple(replace(event, noise_multiplier=event.noise_multiplier * scale) for event in events)

    def rejected(log_scale: float) -> bool:
        return rejects(trade_off(family(log_scale), delta))

    low, high = math.log(LEAST_NOISE), math.log(MOST_NOISE)
    if not rejected(high):
        return 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return accountant.epsilon(family(high), delta)


def _loss(event: PrivacyEvent, interval: float) -> pld.PrivacyLossDistribution:
    one = pld.from_gaussian_mechanism(
        event.noise_multiplier,
        value_discretization_interval=interval,
        sampling_prob=event.sampling_rate,
    )
    return one.self_compose(event.steps)
