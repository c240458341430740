"""Seasons that were planted are found, and none where there is none."""

import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.models.season import MONTHS, Window
from recsys.models.season_fit import fit

CATEGORIES, DAYS_A_MONTH = 30, 2_000.0
LATE = Window(20_240, 1)
TURNS = 2.0 * np.pi * np.arange(MONTHS) / MONTHS


def planted(strength: float, some: int = 8) -> np.ndarray:
    """The first categories have a season, each another; mean 1."""
    factors = np.ones((CATEGORIES, MONTHS))
    for category in range(some):
        factors[category] = np.exp(strength * np.cos(TURNS - 2.0 * np.pi * category / some))
    return factors / factors.mean(axis=1, keepdims=True)


def sums(
    factors: np.ndarray, window: Window, *, std: float = 0.0, seed: int = 0, growth: float = 0.0
) -> np.ndarray:
    """Days by year, category and month, by the number of days of the calendar, with noise; full_days is 1."""
    random = np.random.default_rng(seed)
    days = np.arange(window.starts[0], window.end)
    year, month = window.places(days)
    level = np.zeros((window.years, MONTHS))
    np.add.at(level, (year, month), np.exp(growth * (days - days[0]) / 365.25) / 30.4)
    size = DAYS_A_MONTH * np.linspace(0.3, 2.0, CATEGORIES)[:, None]
    counts = random.poisson(size * factors * level[:, None, :]).astype(float)
    return counts + std * random.normal(size=counts.shape)


def found(values: np.ndarray, window: Window = LATE, std: float = 0.0) -> np.ndarray:
    factors = fit(values, std, window, full_days=1.0)
    assert factors is not None
    np.testing.assert_allclose(factors.mean(axis=1), 1.0)
    assert (factors > 0).all()
    return factors


@pytest.mark.parametrize(("std", "error"), [(0.0, 0.03), (40.0, 0.06)])
def test_a_planted_season_is_found(std: float, error: float):
    truth = planted(0.6)
    factors = found(sums(truth, LATE, std=std), std=std)
    assert np.sqrt(np.mean((np.log(factors / truth)) ** 2)) < error
    assert np.corrcoef(np.log(factors[:8]).ravel(), np.log(truth[:8]).ravel())[0, 1] > 0.98


def test_a_single_month_is_found():
    truth = np.ones((CATEGORIES, MONTHS))
    truth[3, 11] = 3.0
    truth /= truth.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found(sums(truth, LATE)), truth, rtol=0.15)


@pytest.mark.parametrize("std", [0.0, 40.0])
def test_where_none_is_planted_it_is_flat(std: float):
    for seed in range(3):
        flat = np.ones((CATEGORIES, MONTHS))
        assert np.abs(found(sums(flat, LATE, std=std, seed=seed), std=std) - 1.0).max() < 0.05


def test_more_noise_more_shrinkage_up_to_nothing():
    truth, sizes = planted(0.6), []
    for std in (0.0, 100.0, 500.0):
        factors = found(sums(truth, LATE, std=std), std=std)
        sizes.append(float(np.abs(np.log(factors)).mean()))
    assert sizes == sorted(sizes, reverse=True)
    assert fit(sums(truth, LATE, std=1e5), 1e5, LATE, full_days=1.0) is None


def test_growth_alike_is_no_season_in_one_year_or_two():
    flat = np.ones((CATEGORIES, MONTHS))
    for window in (LATE, Window(LATE.end, 2)):
        factors = found(sums(flat, window, growth=0.7), window)
        assert np.abs(factors - 1.0).max() < 0.05


def test_two_years_tell_the_shops_own_season_and_one_does_not():
    shop = np.exp(0.3 * np.cos(TURNS))
    truth = planted(0.5) * shop
    truth /= truth.mean(axis=1, keepdims=True)
    two = Window(LATE.end, 2)
    both = found(sums(truth, two, growth=0.5), two)
    assert np.sqrt(np.mean(np.log(both / truth) ** 2)) < 0.04
    one = found(sums(truth, LATE))
    assert np.abs(one[8:] - 1.0).max() < 0.1  # beside the others they are flat
    assert np.abs(both[8:] - 1.0).max() > 0.25


def test_rubbish_and_nothing():
    assert fit(np.zeros((1, CATEGORIES, MONTHS)), 1.0, LATE) is None
    assert fit(np.zeros((1, CATEGORIES, MONTHS)), 0.0, LATE) is None
    assert fit(sums(np.ones((CATEGORIES, MONTHS)), LATE)[:, :3], 0.0, LATE) is None  # too few to compare
    values = sums(planted(0.5), LATE)
    values[0, 2, 3], values[0, 4, 5] = np.nan, np.inf
    assert np.isfinite(found(values)).all()
    with pytest.raises(ConfigError, match="noise_std is -1"):
        fit(values, -1.0, LATE)
