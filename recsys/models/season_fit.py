"""How much more each category is bought in some months: factors made of the noised sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.models.season import MONTHS, Window
from recsys.models.season_clock import LEAST_FACTOR, MOST_FACTOR

CLEAR = 4.0  # standard deviations of noise that a category's year must exceed to be looked at
LEAST_CATEGORIES = 4  # that tell what months do to all of them alike
SPREADS = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
_APART = np.pi * (np.arange(MONTHS)[:, None] - np.arange(MONTHS)) / MONTHS
ALIKE = np.exp(-2.0 * np.sin(_APART) ** 2), np.eye(MONTHS)
"""How months go together: neighbours as in a slow season (periodic kernel, MacKay 1998), or each its own."""
PRIORS = np.array([spread**2 * alike for alike in ALIKE for spread in SPREADS])
USUAL = np.tile(np.exp(-2.0 * SPREADS), len(ALIKE))
USUAL /= USUAL.sum()  # what few categories lean on, as if one more were seen: small deviations
EM_STEPS = 60
LEAST_VARIANCE = 1e-8
MOST_GROWTH = 3.0  # in logs a year
DAYS_A_YEAR = 365.2425

Floats = NDArray[np.float64]


def fit(noised: Floats, noise_std: float, window: Window, *, full_days: float = 36.0) -> Floats | None:
    """Factors with mean 1 over the year; float64 [m, MONTHS]. None where nothing stands clear of noise.

    Growth of each category, shrunk to that of all, is taken out where there are two years and more: between
    them only growth can differ. What months do to the typical category (a weighted median) is then the shop's
    season, as far as it stands clear of noise. A single year cannot tell a shop's season from its growth or
    from customers who stay away: there the typical category counts as flat, and factors say what months do to
    a category beside the others. A category's own growth in a single year stays in its factors.

    Deviations from the shop's season are shrunk category by category: those of one category share a spread
    and whether neighbouring months go together, and how many categories have which is fitted to all of them
    (adaptive shrinkage, Stephens 2017; empirical Bayes, Morris 1983). Post-processing: costs no privacy.

    noised: float64 [years, m, MONTHS], the sum of `season.contribution`; noise_std: of every cell;
    window, full_days: as the customers were told. Raises ConfigError for a negative noise_std.
    """
    if not 0.0 <= noise_std < np.inf:
        raise ConfigError(f"noise_std is {noise_std}; it must be 0 or more")
    unit = np.sqrt(full_days)  # from here on, a day of a customer who counts in full is 1
    values = np.nan_to_num(np.asarray(noised, np.float64), nan=0.0, posinf=0.0, neginf=0.0) * unit
    std = noise_std * unit
    totals = values.sum(axis=(0, 2))
    clear = totals > max(CLEAR * std * np.sqrt(MONTHS * window.years), float(MONTHS))
    if clear.sum() < LEAST_CATEGORIES:
        return None
    factors = np.ones((values.shape[1], MONTHS))
    expected = _expected(values[:, clear], std, window)
    counting = (std**2 * window.years + expected) / expected**2  # one day's weight is 1 at most
    ratios = values[:, clear].sum(axis=0) / expected
    typical = np.maximum(_weighted_median(ratios, totals[clear]), LEAST_FACTOR)
    if window.years > 1:
        factors *= _shop(typical, counting, totals[clear])
    factors[clear] *= 1.0 + _shrunk(ratios / typical - 1.0, counting / typical**2)
    factors = np.clip(factors, LEAST_FACTOR, MOST_FACTOR)
    return np.asarray(factors / factors.mean(axis=1, keepdims=True))


def _expected(values: Floats, std: float, window: Window) -> Floats:
    """Days in each category and month, all years together, if months did nothing; float64 [m, MONTHS]."""
    days = np.arange(window.starts[0], window.end)
    month = window.places(days)[1]
    growth = _growth(values, std) if window.years > 1 else np.zeros(values.shape[1])
    levels = np.exp(growth[:, None] * ((days - days.mean()) / DAYS_A_YEAR))
    inside = np.zeros((len(days), MONTHS))
    inside[np.arange(len(days)), month] = 1.0
    level = levels @ inside
    return np.asarray(values.sum(axis=(0, 2))[:, None] * level / level.sum(axis=1, keepdims=True))


def _growth(values: Floats, std: float) -> Floats:
    """Growth of each category in logs a year, shrunk to that of all; float64 [m]."""
    yearly = np.maximum(values.sum(axis=2), 1.0)  # [years, m]
    years = np.arange(len(values)) - (len(values) - 1) / 2.0
    slope = years / (years**2).sum()
    overall = float(slope @ np.log(yearly.sum(axis=1)))
    own = slope @ np.log(yearly)
    doubt = slope**2 @ ((MONTHS * std**2 + yearly) / yearly**2)
    spread = max(float(np.average((own - overall) ** 2 - doubt, weights=1.0 / doubt)), 0.0)
    shrunk = overall + (own - overall) * spread / (spread + doubt)
    return np.asarray(np.clip(shrunk, -MOST_GROWTH, MOST_GROWTH))


def _weighted_median(ratios: Floats, weights: Floats) -> Floats:
    """Over categories, month by month; float64 [MONTHS]."""
    order = ratios.argsort(axis=0)
    below = weights[order].cumsum(axis=0)
    place = (below < 0.5 * weights.sum()).sum(axis=0)
    return np.asarray(ratios[order[place, np.arange(MONTHS)], np.arange(MONTHS)])


def _shop(typical: Floats, counting: Floats, weights: Floats) -> Floats:
    """The typical category's season, shrunk to none as far as it may be noise; float64 [MONTHS]."""
    shares = weights / weights.sum()
    doubt = np.pi / 2.0 * float((shares[:, None] ** 2 * counting).sum(axis=0).mean())  # of a median
    away = typical / typical.mean() - 1.0
    signal = max(float((away**2).mean()) - doubt, 0.0)
    return np.asarray(1.0 + away * signal / (signal + doubt + 1e-300))


def _shrunk(away: Floats, variance: Floats) -> Floats:
    """Posterior mean of deviations; those of a category have one of the PRIORS; float64 [m, MONTHS]."""
    noise = np.maximum(variance, LEAST_VARIANCE)[:, :, None] * np.eye(MONTHS)
    logs, means = np.zeros((len(PRIORS), len(away))), np.zeros((len(PRIORS), *away.shape))
    for number, prior in enumerate(PRIORS):
        total = prior + noise  # [m, MONTHS, MONTHS]
        told = np.linalg.solve(total, away[:, :, None])[:, :, 0]
        logs[number] = -0.5 * ((away * told).sum(axis=1) + np.linalg.slogdet(total)[1])
        means[number] = told @ prior
    likelihood = np.exp(logs - logs.max(axis=0))
    weights = np.full(len(PRIORS), 1.0 / len(PRIORS))
    for _ in range(EM_STEPS):
        weights = weights * (likelihood @ (1.0 / (weights @ likelihood))) + USUAL
        weights /= weights.sum()
    joint = weights[:, None] * likelihood
    return np.asarray(((joint / joint.sum(axis=0))[:, :, None] * means).sum(axis=0))
