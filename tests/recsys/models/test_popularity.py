from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import SECONDS_PER_DAY
from recsys.errors import ConfigError
from recsys.models.popularity import CLIP_NORM, contribution, posterior, with_new_items
from recsys.models.weighing import Weighing
from recsys.privacy.clipping import GRID_BITS
from tests.recsys.histories_builder import customers_strategy, make_histories, random_histories


def test_customers_share_one_unit_among_their_items():
    total = contribution(make_histories([(1, 0), (2, 1), (3, 1), (4, 2), (5, 3)], [(1, 2)], []), 5, 50)
    np.testing.assert_allclose(total, [0.5, 0.5, 1.5, 0.5, 0.0])


WEIGHINGS = [Weighing(), Weighing(0.6, 2.0), Weighing(1e-9, 4.0), Weighing(0.9, 0.5, 2.5, 1e-3)]


@pytest.mark.parametrize("weighing", WEIGHINGS)
@pytest.mark.parametrize("events", [1, 2, 10_000])
def test_one_customer_contributes_at_most_the_bound(events, weighing):
    h = make_histories([(day, day % 600) for day in range(events)])
    total = contribution(h, 600, 100, weighing)
    assert 0.999 < np.linalg.norm(total) <= CLIP_NORM
    assert np.isfinite(total).all()
    assert (total > 0).sum() <= min(events, 100)


def test_what_rounding_drops_from_a_norm_lifts_nobody_above_the_bound():
    """Squares so small beside the first ones that adding each of them changes nothing, though all would."""
    many, latest = 30_000, 60 * SECONDS_PER_DAY
    seconds = np.concatenate((np.full(many, latest - 2_290_303), [latest - 719_508, latest]))
    items = np.arange(len(seconds), dtype=np.int32)
    h = replace(make_histories([(0, int(item)) for item in items]), times=seconds)
    total = contribution(h, len(items), len(items), Weighing(half_life=1.0))
    steps = [int(value * 2**GRID_BITS) for value in total]
    assert sum(step * step for step in steps) <= (CLIP_NORM * 2**GRID_BITS) ** 2


@given(customers_strategy(events=True), st.integers(1, 5), st.sampled_from(WEIGHINGS))
def test_any_customer_contributes_at_most_the_bound(customers, bound, weighing):
    for customer in customers:
        total = contribution(make_histories(customer), 8, bound, weighing)
        assert (total >= 0).all()
        assert np.linalg.norm(total) <= CLIP_NORM


@given(customers_strategy(), st.integers(1, 5), st.sampled_from(WEIGHINGS))
def test_a_customer_changes_the_sum_by_own_contribution_alone(customers, bound, weighing):
    h = make_histories(*customers, [(1, 0), (2, 3)])
    without = make_histories(*customers)
    difference = contribution(h, 8, bound, weighing) - contribution(without, 8, bound, weighing)
    alone = contribution(make_histories([(1, 0), (2, 3)]), 8, bound, weighing)
    np.testing.assert_allclose(difference, alone, atol=1e-12)


def test_no_customers_no_counts():
    assert contribution(make_histories(), 3, 10).tolist() == [0.0, 0.0, 0.0]
    assert contribution(make_histories([], []), 3, 10, WEIGHINGS[-1]).tolist() == [0.0, 0.0, 0.0]


def test_posterior_is_a_probability_and_beats_the_raw_values():
    truth = np.random.default_rng(0).gamma(0.3, 60.0, 3_000)
    noised = truth + np.random.default_rng(1).normal(0.0, 10.0, 3_000)
    estimate = posterior(noised, 10.0)
    assert (estimate > 0).all()
    assert estimate.sum() == pytest.approx(1.0)
    share = truth / truth.sum()
    clipped = np.maximum(noised, 0) / np.maximum(noised, 0).sum()
    assert np.square(estimate - share).sum() < 0.8 * np.square(clipped - share).sum()


def test_noise_may_differ_by_item():
    values = np.array([8.0, 8.0, 8.0, 1.0, 0.0, -1.0, 0.5, 0.2])
    stds = np.array([0.1, 8.0, 0.1, 1.0, 1.0, 1.0, 1.0, 1.0])
    estimate = posterior(values, stds)
    assert estimate[1] < 0.7 * estimate[0]
    assert estimate[0] == estimate[2]
    np.testing.assert_array_equal(posterior(values, np.full(8, 2.0)), posterior(values, 2.0))


@pytest.mark.parametrize("std", [-1.0, np.nan, np.inf, np.array([1.0, 0.0])])
def test_noise_that_is_none_is_refused(std):
    with pytest.raises(ConfigError, match="noise_std"):
        posterior(np.ones(2), std)


def test_without_noise_popularity_is_the_sum_itself():
    estimate = posterior(np.array([8.0, 2.0, 0.0]), 0.0)
    assert estimate[0] == pytest.approx(4 * estimate[1])
    assert 0 < estimate[2] < estimate[1]


@pytest.mark.parametrize("values", [[0.0, 0.0], [-3.0, -1.0], [np.nan, np.inf]])
def test_nothing_seen_is_uniform(values):
    np.testing.assert_allclose(posterior(np.array(values), 0.0), [0.5, 0.5])


@given(st.lists(st.floats(-1e6, 1e9), min_size=1, max_size=30), st.floats(1e-3, 1e6))
def test_posterior_is_positive_and_sums_to_one_whatever_the_noise(values, noise_std):
    estimate = posterior(np.array(values), noise_std)
    assert (estimate > 0).all()
    assert estimate.sum() == pytest.approx(1.0)


def test_a_negative_noise_is_refused():
    with pytest.raises(ConfigError, match="noise_std is -1"):
        posterior(np.ones(3), -1.0)


def test_noise_of_a_release_leaves_the_order_of_what_is_well_seen():
    h = random_histories(800, 12, 20)
    exact = contribution(h, 20, 50)
    estimate = posterior(exact + np.random.default_rng(2).normal(0, 5.0, 20), 5.0)
    assert np.corrcoef(estimate, exact)[0, 1] > 0.98


def test_a_new_item_is_expected_to_sell_like_its_group() -> None:
    shares = np.array([0.4, 0.2, 0.01, 0.3, 0.09, 0.0])
    groups, new = np.array([0, 0, 0, 1, 1, 2], np.int32), np.array([0, 0, 1, 0, 0, 1], bool)
    expected = with_new_items(shares, groups, new)
    assert expected.sum() == pytest.approx(1.0)
    assert expected[2] / expected[0] == pytest.approx(0.3 / 0.4)
    assert expected[5] / expected[0] == pytest.approx(0.2475 / 0.4)  # a group of its own: like all the others
    np.testing.assert_allclose(expected[[1, 3, 4]] / expected[0], [0.5, 0.75, 0.225])


@pytest.mark.parametrize("all_new", [False, True])
def test_none_or_all_new_changes_nothing(all_new) -> None:
    shares = np.array([0.6, 0.4])
    found = with_new_items(shares, np.zeros(2, np.int32), np.full(2, all_new))
    np.testing.assert_array_equal(found, shares)
