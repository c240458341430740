"""From a target epsilon to noise: split the budget, then one search over one scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from recsys.errors import PlanError

TOLERANCE = 5e-3
MAX_EVALUATIONS = 40


def check_shares(shares: Mapping[str, float], known: tuple[str, ...]) -> dict[str, float]:
    """The shares above 0, made to sum to exactly 1; PlanError for unknown names, bad numbers or sums."""
    for name, share in shares.items():
        if name not in known:
            raise PlanError(f"shares: unknown mechanism '{name}'; known are {', '.join(known)}")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
            raise PlanError(f"shares: '{name}' is {share!r}; give a number from 0 to 1")
    total = math.fsum(shares.values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise PlanError(f"shares sum to {total:g}; make them sum to 1")
    return {name: share / total for name, share in shares.items() if share > 0}


def gaussian_noise(mu_squared: float) -> float:
    """The noise multiplier of one noised sum that costs mu^2: sigma = 1 / mu (Dong, Roth & Su 2022)."""
    return float(mu_squared**-0.5)


def dpsgd_noise(mu_squared: float, sampling_rate: float, steps: int) -> float:
    """The noise multiplier of T Poisson-sampled steps that cost mu^2 by the central limit approximation.

    Solves mu^2 = T q^2 (exp(1 / sigma^2) - 1) (Bu, Dong, Long & Su 2020); for q = 1 exactly mu^2 = T /
    sigma^2. It only splits the budget: what is promised is always composed exactly.
    """
    if sampling_rate == 1.0:
        return math.sqrt(steps / mu_squared)
    return float(math.log1p(mu_squared / steps / sampling_rate**2) ** -0.5)


def gaussian_dp_epsilon(mu: float, delta: float) -> float:
    """An upper bound on epsilon of mu-Gaussian-DP by its tail; the first guess of the search."""
    return mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta))


def first_guess(target_epsilon: float, delta: float) -> float:
    """The mu whose `gaussian_dp_epsilon` is the target."""
    root = math.sqrt(2 * math.log(1 / delta))
    return math.sqrt(root * root + 2 * target_epsilon) - root


def largest_scale(cost: Callable[[float], float], target: float, guess: float) -> float:
    """The scale whose cost is in [(1 - 0.5 %) target, target]: never above; cost grows with the scale.

    Secant steps in logarithms, kept inside the bracket found so far. A cost that jumps over that band gives
    the largest scale found below the target. PlanError if none is found.
    """
    low, high = 0.0, math.inf
    points: list[tuple[float, float]] = []
    scale = guess
    for _ in range(MAX_EVALUATIONS):
        value = cost(scale)
        if value <= target:
            low = max(low, scale)
            if value >= target * (1 - TOLERANCE):
                return scale
        else:
            high = min(high, scale)
        if low > 0 and high / low < 1 + 1e-6:
            break
        if value > 0:
            points.append((math.log(scale), math.log(value)))
        scale = _next_scale(points[-2:], math.log(target * (1 - TOLERANCE / 3)), scale, low, high)
    if low > 0:
        return low
    raise PlanError(
        f"no noise level gives epsilon {target:g}; raise the target or delta, or lower the number of steps"
    )


def _next_scale(
    points: list[tuple[float, float]], aim: float, scale: float, low: float, high: float
) -> float:
    if not points:
        return scale * 4
    slope = 1.0
    if len(points) == 2 and points[0][0] != points[1][0]:
        slope = (points[1][1] - points[0][1]) / (points[1][0] - points[0][0])
    slope = min(max(slope, 0.5), 4.0)
    proposal = math.exp(points[-1][0] + (aim - points[-1][1]) / slope)
    if low < proposal < high:
        return proposal
    return math.sqrt(low * high) if low > 0 and high < math.inf else (scale / 4 if low == 0 else scale * 4)
