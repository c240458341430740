import numpy as np
import pytest
from hypothesis import given

from recsys.data.history import Ordering
from recsys.errors import ConfigError, OrderingError
from recsys.models.intervals import (
    BINS,
    CENTRES,
    CLIP_NORM,
    UNINFORMED,
    consumables,
    contribution,
    fit,
    histogram_shape,
)
from tests.recsys.histories_builder import customers_strategy, make_catalogue, make_histories

CATALOGUE = make_catalogue(
    ["tea", "tea", "milk", "milk", "pan", "pan", "pan", "pan"], [True] * 4 + [False] * 4
)


def test_a_gap_is_one_cell_of_its_category_and_length():
    total = contribution(make_histories([(1, 0), (8, 0)]), CATALOGUE)
    assert total.shape == histogram_shape(CATALOGUE) == (3, BINS)
    (category,), (bin_,) = np.nonzero(total)
    assert CATALOGUE.category_codes[1][category] == "tea"
    assert abs(CENTRES[bin_] - np.log(7.0)) < 0.11
    assert total.sum() == pytest.approx(1.0)


def test_durables_and_single_purchases_send_nothing():
    assert not contribution(make_histories([(1, 4), (8, 4)], [(3, 0)], []), CATALOGUE).any()


def test_without_any_word_of_what_is_used_up_everything_counts():
    unknown = make_catalogue(["tea", "pan"], [False, False])
    assert consumables(unknown).all()
    assert contribution(make_histories([(1, 1), (8, 1)]), unknown).any()


@pytest.mark.parametrize("events", [2, 100, 10_000])
def test_one_customer_contributes_at_most_the_bound(events):
    days = np.random.default_rng(0).integers(1, 3_000, events).cumsum()
    total = contribution(make_histories([(int(day), i % 4) for i, day in enumerate(days)]), CATALOGUE)
    assert np.linalg.norm(total) <= CLIP_NORM
    assert events < 10 or np.linalg.norm(total) > 0.999


@given(customers_strategy(n_items=8))
def test_a_customer_changes_the_sum_by_own_contribution_alone(customers):
    rows = [(1, 0), (5, 0), (9, 2), (30, 2)]
    difference = contribution(make_histories(*customers, rows), CATALOGUE) - contribution(
        make_histories(*customers), CATALOGUE
    )
    np.testing.assert_allclose(difference, contribution(make_histories(rows), CATALOGUE), atol=1e-9)


def test_data_without_timestamps_is_refused():
    with pytest.raises(OrderingError):
        contribution(make_histories([(1, 0)], ordering=Ordering.ORDER_NUMBER), CATALOGUE)


def log_normal_histogram(means: np.ndarray, variance: float, sizes: np.ndarray) -> np.ndarray:
    shape = np.exp(-0.5 * (CENTRES - means[:, None]) ** 2 / variance)
    return sizes[:, None] * shape / shape.sum(axis=1, keepdims=True)


MEANS = np.linspace(2.0, 4.5, 20)


def test_means_and_variances_are_found_without_noise():
    gaps = fit(log_normal_histogram(MEANS, 0.25, np.full(20, 1_000.0)), 0.0)
    np.testing.assert_allclose(gaps.mean, MEANS, atol=0.06)
    np.testing.assert_allclose(gaps.variance, 0.25, rtol=0.25)


def test_noise_costs_little_where_categories_are_large():
    noise = np.random.default_rng(0).normal(0, 10.0, (20, BINS))
    gaps = fit(log_normal_histogram(MEANS, 0.25, np.full(20, 500.0)) + noise, 10.0)
    assert np.sqrt(np.square(gaps.mean - MEANS).mean()) < 0.15


def test_small_categories_are_drawn_to_the_whole():
    sizes = np.array([1_000.0] * 19 + [0.0])
    means = np.append(np.linspace(2.8, 3.2, 19), 6.0)
    noise = np.random.default_rng(1).normal(0, 5.0, (20, BINS))
    gaps = fit(log_normal_histogram(means, 0.25, sizes) + noise, 5.0)
    assert abs(gaps.mean[-1] - 3.0) < 0.8


@pytest.mark.parametrize("values", [0.0, -4.0, np.nan])
def test_a_histogram_that_says_nothing_gives_the_uninformed_guess(values):
    gaps = fit(np.full((4, BINS), values), 1.0)
    assert (gaps.mean == UNINFORMED[0]).all()
    assert (gaps.variance == UNINFORMED[1]).all()


def test_a_negative_noise_is_refused():
    with pytest.raises(ConfigError, match="noise_std is -1"):
        fit(np.ones((4, BINS)), -1.0)
