"""Poisson-Gamma and modified Poisson-Gamma (Bhagat et al. 2018, Buy It Again), with priors by likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln

from experiments.replenishment.forecast import HIGH, LOW, MIDDLE, NEVER, Forecast
from experiments.replenishment.pairs import Pairs
from recsys.models.replenishment import HORIZONS

FEW = 30  # pairs of an item below which its own scale is not estimated
STEPS = 200


@dataclass(frozen=True, eq=False)
class GammaPrior:
    """Rates of repeat purchases per day are Gamma(shape, scale of the item); repeats: as in `repeat_share`.

    shape: of all items; rate: float64 [n_items], days; repeats: float64 [n_items]
    """

    shape: float
    rate: NDArray[np.float64]
    repeats: NDArray[np.float64]

    @classmethod
    def fit(cls, pairs: Pairs, *, by_item: bool) -> GammaPrior:
        """Maximum likelihood over all pairs: k repeats in the t days since the first purchase.

        The number is negative binomial: Gamma(a + k) / Gamma(a) b^a / (b + t)^(a + k), up to a factor that
        does not depend on a and b. With by_item, items with enough pairs have a scale of their own.
        """
        repeats, days = pairs.counts.astype(np.float64), pairs.span + pairs.elapsed
        shape, rate = _fit(repeats, days)
        rates = np.full(pairs.n_items, rate)
        if by_item:
            rates = _own_rates(pairs, repeats, days, shape, rate)
        return cls(shape, rates, repeat_share(pairs))


def repeat_share(pairs: Pairs) -> NDArray[np.float64]:
    """Share of an item's customers who bought it again (RCP in the paper), smoothed; float64 [n_items]."""
    bought = np.bincount(pairs.items, minlength=pairs.n_items)
    again = np.bincount(pairs.items, pairs.counts > 0, minlength=pairs.n_items)
    overall = float((pairs.counts > 0).mean())
    return np.asarray((again + 10.0 * overall) / (bought + 10.0))


def _fit(repeats: NDArray[np.float64], days: NDArray[np.float64]) -> tuple[float, float]:
    def loss(log: NDArray[np.float64]) -> float:
        a, b = np.exp(np.clip(log, -15.0, 15.0))
        terms = gammaln(a + repeats) - gammaln(a) + a * np.log(b) - (a + repeats) * np.log(b + days)
        return -float(terms.mean())

    start = np.log([1.0, max(float(days.sum() / max(repeats.sum(), 1.0)), 1.0)])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": STEPS})
    a, b = np.exp(np.clip(found.x, -15.0, 15.0))
    return float(a), float(b)


def _own_rates(
    pairs: Pairs, repeats: NDArray[np.float64], days: NDArray[np.float64], shape: float, rate: float
) -> NDArray[np.float64]:
    """Each item's scale for a given shape: b = n a / sum((a + k) / (b + t)), repeated until it rests."""
    counts = np.bincount(pairs.items, minlength=pairs.n_items)
    own = counts >= FEW
    rates = np.full(pairs.n_items, rate)
    for _ in range(STEPS):
        terms = (shape + repeats) / (rates[pairs.items] + days)
        total = np.bincount(pairs.items, terms, minlength=pairs.n_items)
        rates = np.where(own, counts * shape / np.maximum(total, 1e-12), rates)
    return np.asarray(np.minimum(rates, 1e6))


def poisson_gamma(pairs: Pairs, prior: GammaPrior) -> Forecast:
    """The next purchase given k repeats in t days: P(within h) = 1 - ((b + t) / (b + t + h))^(a + k)."""
    a = prior.shape + pairs.counts
    b = prior.rate[pairs.items] + pairs.span + pairs.elapsed
    chances = -np.expm1(a[:, None] * (np.log(b)[:, None] - np.log(b[:, None] + np.asarray(HORIZONS))))

    def quantile(q: float) -> NDArray[np.float64]:
        return np.asarray(np.minimum(b * np.expm1(np.minimum(-np.log1p(-q) / a, 20.0)), NEVER))

    return Forecast(chances, quantile(MIDDLE), quantile(LOW), quantile(HIGH))


def modified_rate(pairs: Pairs, prior: GammaPrior, *, purchases: bool = True) -> NDArray[np.float64]:
    """Rates that rise until one mean gap after the latest purchase, and fall after it; float64 [pairs].

    (k + a) / (t_purch + 2 |t_mean - t| + b) while t < 2 t_mean, then (k + a) / (T + b), where t is the time
    since the latest purchase, t_purch that from the first to the latest, T that since the first (Bhagat et
    al. 2018). k counts purchases as there, or repeats; pairs with one purchase take the second form.
    """
    k = pairs.counts + float(purchases)
    mean, t, b = pairs.mean_gap, pairs.elapsed, prior.rate[pairs.items]
    near = t < 2.0 * np.nan_to_num(mean)
    time = np.where(near, pairs.span + 2.0 * np.abs(np.nan_to_num(mean) - t), pairs.span + t)
    return np.asarray((k + prior.shape) / (time + b))


def modified_poisson_gamma(
    pairs: Pairs, prior: GammaPrior, *, purchases: bool = True, repeats: bool = True
) -> Forecast:
    """Chances Q (1 - exp(-rate h)), Q the item's share of customers who buy again, or 1 without `repeats`."""
    rate = modified_rate(pairs, prior, purchases=purchases)
    chances = -np.expm1(-np.multiply.outer(rate, np.asarray(HORIZONS, np.float64)))
    share = prior.repeats[pairs.items] if repeats else np.ones(len(pairs))

    def quantile(q: float) -> NDArray[np.float64]:
        within = np.clip(q / share, 0.0, 1.0 - 1e-9)
        return np.asarray(np.where(q < share, np.minimum(-np.log1p(-within) / rate, NEVER), NEVER))

    return Forecast(chances * share[:, None], quantile(MIDDLE), quantile(LOW), quantile(HIGH))


PLAIN_VARIANTS = tuple({"by_item": own} for own in (False, True))
MODIFIED_VARIANTS = tuple(
    {"by_item": own, "purchases": purchases, "repeats": repeats}
    for own, purchases, repeats in product((False, True), repeat=3)
)
