import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.models import pair_sums
from recsys.models.copurchase import CENTRING, CLIP_NORM, PairScope, contribution
from tests.recsys.histories_builder import customers_strategy, make_histories, random_histories

POPULARITY = np.array([0.05, 0.30, 0.10, 0.25, 0.02, 0.20, 0.001, 0.079])
SCOPE = PairScope.from_popularity(POPULARITY, top=6, full_rank=3)


def test_scope_is_the_most_popular_items_with_rare_ones_scaled_down():
    assert SCOPE.items.tolist() == [1, 3, 5, 2, 7, 0]
    np.testing.assert_allclose(SCOPE.scale, [1, 1, 1, 0.5, 0.395, 0.25])
    assert SCOPE.n_pairs == 15


def test_scales_stay_above_their_floor_and_small_catalogues_work():
    scope = PairScope.from_popularity(np.array([0.999, 1e-9, 1e-3]), top=10, full_rank=500)
    assert scope.items.tolist() == [0, 2, 1]
    assert (scope.scale == 1.0).all()
    steep = PairScope.from_popularity(np.array([0.999, 1e-9, 1e-3]), top=10, full_rank=1)
    assert steep.scale.tolist() == [1.0, 0.01, 0.01]


@pytest.mark.parametrize(("top", "full_rank"), [(1, 5), (5, 0)])
def test_scopes_without_pairs_are_refused(top, full_rank):
    with pytest.raises(ConfigError, match="at least 2 items"):
        PairScope.from_popularity(POPULARITY, top, full_rank)


def test_square_undoes_the_upper_triangle():
    square = SCOPE.square(np.arange(15.0))
    assert np.array_equal(square, square.T)
    assert square[0].tolist() == [0, 0, 1, 2, 3, 4]
    assert square[4, 5] == 14


def deviations(items: list[int], scope: PairScope = SCOPE) -> np.ndarray:
    """One customer's pair values by the definition."""
    has, p, c = np.isin(scope.items, items).astype(float), scope.share, CENTRING
    k = has.sum()
    cross = np.outer(has, p) + np.outer(p, has)
    pairs = np.outer(has, has) - c * (k - 1) * cross + c**2 * k * (k - 1) * np.outer(p, p)
    values = (np.outer(scope.scale, scope.scale) * pairs)[np.triu_indices(len(p), 1)]
    return values / np.linalg.norm(values)


SETS = [[3, 5], [1, 2, 0], [1, 3, 5, 2, 7, 0], [7, 0]]


@pytest.mark.parametrize("items", SETS)
def test_a_customer_sends_deviations_from_part_of_what_popularity_expects(items):
    sent = contribution(make_histories([(day, item) for day, item in enumerate([*items, 6])]), SCOPE, 50)
    exact = deviations(items)  # item 6 is outside the scope
    # Centring is on coarse grids, so next to nothing of it differs; the norm is as it was.
    assert np.linalg.norm(sent - exact) < 5e-3
    assert np.linalg.norm(sent) == pytest.approx(CLIP_NORM, abs=1e-5)
    assert np.linalg.norm(sent) <= CLIP_NORM


@pytest.mark.parametrize("items", [[3, 40, 170], list(range(0, 120, 3)), [500, 900, 1500, 1800]])
def test_in_a_scope_of_real_size_grids_change_next_to_nothing(items):
    popularity = 1.0 / np.arange(1, 2_001)
    scope = PairScope.from_popularity(popularity / popularity.sum())
    sent = contribution(make_histories([(day, item) for day, item in enumerate(items)]), scope, 50)
    assert np.linalg.norm(sent - deviations(items, scope)) < 2e-3


def test_pairs_expected_least_are_left_out():
    few = PairScope.from_popularity(POPULARITY, top=6, full_rank=3, max_pairs=7)
    assert few.reach.tolist() == sorted(few.reach, reverse=True)
    assert 1 <= few.n_pairs <= 7
    d = SCOPE.share * SCOPE.scale
    kept = few.square(np.ones(few.n_pairs)).astype(bool)
    left_out = ~kept & ~np.eye(6, dtype=bool)
    assert np.outer(d, d)[kept].min() >= np.outer(d, d)[left_out].max()


def test_pairs_that_are_counted_have_the_values_they_have_among_all():
    few = PairScope.from_popularity(POPULARITY, top=6, full_rank=3, max_pairs=7)
    h = random_histories(30, 9, 8, seed=5)
    kept = few.square(np.ones(few.n_pairs)) > 0
    everything = SCOPE.square(contribution(h, SCOPE, 5))
    np.testing.assert_allclose(few.square(contribution(h, few, 5)), np.where(kept, everything, 0), atol=1e-12)


def test_items_of_one_popularity_leave_a_scope_of_many_pairs_within_its_limit():
    assert PairScope.from_popularity(np.full(50, 0.02), 50, 10, max_pairs=100).n_pairs <= 100


@pytest.mark.parametrize("rows", [[], [(1, 3)], [(1, 3), (2, 3)], [(1, 3), (2, 6)]])
def test_fewer_than_two_items_send_nothing(rows):
    assert not contribution(make_histories(rows), SCOPE, 50).any()


@pytest.mark.parametrize("events", [2, 60, 10_000])
def test_one_customer_contributes_at_most_the_bound(events):
    popularity = 1.0 / np.arange(1, 401) ** 1.5
    scope = PairScope.from_popularity(popularity / popularity.sum(), top=300, full_rank=20)
    h = make_histories([(day, (day * 7) % 400) for day in range(events)])
    total = contribution(h, scope, 50)
    assert 0.99 < np.linalg.norm(total) <= CLIP_NORM


@given(customers_strategy(), st.integers(2, 5))
def test_a_customer_changes_the_sum_by_own_contribution_alone(customers, bound):
    whale = [(day, day % 8) for day in range(200)]
    difference = contribution(make_histories(*customers, whale), SCOPE, bound) - contribution(
        make_histories(*customers), SCOPE, bound
    )
    alone = contribution(make_histories(whale), SCOPE, bound)
    np.testing.assert_array_equal(difference, alone)
    assert np.linalg.norm(alone) <= CLIP_NORM


def test_the_sum_agrees_with_a_plain_loop_in_chunks_of_any_size(monkeypatch):
    h = random_histories(60, 15, 8, seed=3)
    whole = contribution(h, SCOPE, 4)
    for cells in (1, 7, 40):
        monkeypatch.setattr(pair_sums, "CELLS_AT_ONCE", cells)
        np.testing.assert_array_equal(contribution(h, SCOPE, 4), whole)
    loop = np.zeros(SCOPE.n_pairs)
    for c in range(len(h)):
        loop += contribution(h.select(np.array([c])), SCOPE, 4)
    np.testing.assert_array_equal(whole, loop)
