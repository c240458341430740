import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.models.popularity import CLIP_NORM, contribution, posterior
from recsys.models.popularity_head import SPREAD, combined, head_of
from recsys.models.weighing import Weighing
from tests.recsys.histories_builder import customers_strategy, make_histories, random_histories

HEAD = np.array([True, False, True, False])


def test_the_head_is_what_is_most_popular():
    popularity = np.array([0.2, 0.1, 0.4, 0.2, 0.1])
    assert head_of(popularity, 3).nonzero()[0].tolist() == [0, 2, 3]
    assert head_of(popularity, 4).nonzero()[0].tolist() == [0, 1, 2, 3]
    assert head_of(popularity, 9).all()
    assert not head_of(popularity, 0).any()


def test_items_of_the_head_share_the_unit_among_themselves():
    h = make_histories([(1, 0), (1, 1), (2, 2), (3, 3)], [(1, 1), (2, 3)], [])
    total = contribution(h, 4, 50, Weighing(0.5), HEAD)
    np.testing.assert_allclose(total, np.array([0.5, 0.0, 1.0, 0.0]) / np.sqrt(1.25))


@given(customers_strategy(events=True), st.integers(1, 5), st.lists(st.booleans(), min_size=8, max_size=8))
def test_any_customer_moves_the_sum_by_at_most_the_bound(customers, most, head):
    weighing, mask = Weighing(0.6, 1.0, 3.0, 0.1), np.array(head)
    for position in range(len(customers)):
        without = customers[:position] + customers[position + 1 :]
        moved = contribution(make_histories(*customers), 8, most, weighing, mask)
        moved = moved - contribution(make_histories(*without), 8, most, weighing, mask)
        assert np.linalg.norm(moved) <= CLIP_NORM + 1e-9
        assert not moved[~mask].any()


def test_all_items_as_the_head_are_popularity_itself():
    h = random_histories(50, 30, 30, seed=3)
    np.testing.assert_array_equal(
        contribution(h, 30, 10, Weighing(0.9), np.ones(30, bool)), contribution(h, 30, 10, Weighing(0.9))
    )


def shoppers(n_items: int, customers: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Shares with a long tail, and the items of customers who have 40 each."""
    random = np.random.default_rng(seed)
    shares = (1.0 + np.arange(n_items)) ** -0.9
    shares /= shares.sum()
    draws = [random.choice(n_items, 40, replace=False, p=shares) for _ in range(customers)]
    return shares, draws


def test_counted_twice_the_head_is_better_known_for_the_same_budget():
    n_items, many, noise_std = 1_000, 100, 2.0
    _, draws = shoppers(n_items, 600, 0)
    h = make_histories(*[[(0, int(item)) for item in items] for items in draws])
    whole, once, twice = contribution(h, n_items, 100), [], []
    truth = np.log(whole[:25] / whole[:25].sum())
    for seed in range(5):
        random = np.random.default_rng(seed)
        half = np.sqrt(2.0) * noise_std
        first = whole + random.normal(0.0, half, n_items)
        head = head_of(posterior(first, half), many)
        again = contribution(h, n_items, 100, among=head) + random.normal(0.0, half, n_items)
        single = posterior(whole + random.normal(0.0, noise_std, n_items), noise_std)
        for found, errors in ((single, once), (combined(first, again, head, half, half), twice)):
            assert (found > 0.0).all()
            assert found.sum() == pytest.approx(1.0)
            errors.append(np.square(np.log(found[:25] / found[:25].sum()) - truth).mean())
    assert np.mean(twice) < 0.7 * np.mean(once)


def test_almost_without_noise_both_sums_say_the_same():
    whole = np.array([8.0, 4.0, 2.0, 1.0])
    again = np.array([16.0, 8.0, 0.0, 0.0])
    found = combined(whole, again, np.array([True, True, False, False]), 1e-9, 1e-9)
    np.testing.assert_allclose(found, whole / whole.sum(), rtol=1e-6)


def test_where_the_sums_weigh_otherwise_the_first_counts_for_less():
    random, head, std = np.random.default_rng(0), np.arange(400) < 100, 2.0
    usual = 60.0 * (1.0 + np.arange(400)) ** -0.4
    lately = np.where(head, usual * np.exp(random.normal(0.0, 0.5, 400)), 0.0)
    truth, errors = np.log(lately[:100] / lately[:100].sum()), {0.0: [], SPREAD: [], 0.5: []}
    for _ in range(20):
        whole = usual + random.normal(0.0, std, 400)
        again = lately + np.where(head, random.normal(0.0, std, 400), 0.0)
        for spread, found in errors.items():
            shares = combined(whole, again, head, std, std, spread)[:100]
            found.append(np.square(np.log(shares / shares.sum()) - truth).mean())
    assert np.mean(errors[0.5]) < np.mean(errors[SPREAD]) < np.mean(errors[0.0])


def test_sums_of_noise_alone_are_a_probability_all_the_same():
    random = np.random.default_rng(0)
    noise = random.normal(0.0, 5.0, (2, 50))
    for sign in (1.0, -1.0):
        found = combined(sign * np.abs(noise[0]), -np.abs(noise[1]), np.arange(50) < 10, 5.0, 4.0)
        assert (found > 0.0).all()
        assert found.sum() == pytest.approx(1.0)
