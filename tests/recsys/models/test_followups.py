from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import Histories, Ordering
from recsys.errors import ConfigError, OrderingError
from recsys.models import followups
from recsys.models.category_scope import CategoryScope, most_categories, usable_categories
from recsys.models.followups import BINS, CLIP_NORM, EDGES, EXPOSURE, contribution, shape
from tests.recsys.histories_builder import Row, make_catalogue, make_histories, random_histories

NAMES = ("pans", "lids", "soap", "salt")
CATALOGUE = make_catalogue([*NAMES, *NAMES, ""])
N_ITEMS = len(CATALOGUE)
EVEN = np.full(N_ITEMS, 1 / N_ITEMS)
SCOPE = CategoryScope(NAMES, np.array([0, 1, 2, 3, 0, 1, 2, 3, -1], np.int32))
PANS, LIDS, SOAP, SALT = range(4)
END = 400

rows = st.tuples(st.integers(-10, END + 50), st.integers(0, N_ITEMS - 1))
customers = st.lists(st.lists(rows, max_size=25), max_size=5)
ends = st.sampled_from([None, 0, 90, END])


def cells(
    *customer: Row, end: int | None = END, full_cells: float = 1e6
) -> dict[tuple[int, int, int], float]:
    """What one customer sends, before it is scaled."""
    total = contribution(make_histories(customer), SCOPE, end=end, full_cells=full_cells)
    scaled = np.round(total * full_cells**0.5, 6)
    return {tuple(cell): float(scaled[tuple(cell)]) for cell in np.argwhere(scaled).tolist()}


def pairs_of(*customer: Row, end: int | None = END) -> dict[tuple[int, int, int], float]:
    return {cell: value for cell, value in cells(*customer, end=end).items() if cell[0] != cell[1]}


def mirrored(h: Histories, end: int) -> Histories:
    """The same customers with time running backwards."""
    told = [
        [(end - 1 - int(day), int(item)) for day, item in zip(one.baskets(), one.items, strict=True)]
        for one in (h.select(np.array([c])) for c in range(len(h)))
    ]
    return make_histories(*told)


@given(customers, ends, st.sampled_from([0.25, 1.0, 4.0, 100.0]))
def test_one_customer_moves_the_sum_by_the_bound_at_most(
    told: list[list[Row]], end: int | None, full_cells: float
):
    h = make_histories(*told)
    whole = contribution(h, SCOPE, end=end, full_cells=full_cells)
    assert whole.shape == shape(SCOPE) == (4, 4, BINS)
    for gone in range(len(h)):
        rest = contribution(
            h.select(np.delete(np.arange(len(h)), gone)), SCOPE, end=end, full_cells=full_cells
        )
        assert np.linalg.norm(whole - rest) <= CLIP_NORM


@pytest.mark.parametrize("full_cells", [0.01, 4.0])
def test_a_whale_counts_like_anybody(full_cells: float):
    whale = [(day, item) for item in range(N_ITEMS) for day in range(20 + 40 * item, END, 3)]
    found = np.linalg.norm(contribution(make_histories(whale), SCOPE, end=END, full_cells=full_cells))
    assert found <= CLIP_NORM
    assert found > 0.3


def test_a_category_taken_up_after_another_counts_in_the_bin_of_its_lag():
    there = (0, SOAP)
    assert cells(there, (200, PANS), (235, LIDS)) == {
        **{(PANS, PANS, k): EXPOSURE for k in range(5)},  # 200 days before, 199 after
        **{(LIDS, LIDS, k): EXPOSURE for k in range(4)},  # 164 days after
        (PANS, LIDS, 2): 1.0,
        (LIDS, PANS, 2): -1.0,
    }


@pytest.mark.parametrize(("lag", "bin_"), [(1, 0), (14, 0), (15, 1), (30, 1), (31, 2), (180, 4)])
def test_lags_at_the_edges(lag: int, bin_: int):
    assert pairs_of((0, SOAP), (190, PANS), (190 + lag, LIDS))[PANS, LIDS, bin_] == 1.0


def test_what_was_given_up_before_counts_against():
    assert pairs_of((0, SOAP), (150, LIDS), (200, PANS))[PANS, LIDS, 2] == -1.0


def test_what_is_bought_all_the_time_or_on_the_same_day_counts_neither_way():
    often = [(day, LIDS) for day in range(0, END, 20)]
    assert (PANS, LIDS) not in {cell[:2] for cell in pairs_of(*often, (200, PANS))}
    assert pairs_of((0, SOAP), (200, PANS), (200, LIDS)) == {}


def test_who_was_not_there_long_enough_sends_nothing():
    assert cells((0, SOAP), (10, PANS), (30, LIDS), end=40) == {}
    assert cells((0, PANS), (30, LIDS)) == cells((0, SOAP), (30, LIDS))
    assert (
        pairs_of((0, SOAP), (50, PANS), (90, LIDS), end=92) == {}
    )  # observed for 41 days, the bin ends at 60
    assert (
        cells((0, SOAP), (200, PANS), (300, SOAP), end=None).keys()
        == cells((0, SOAP), (200, PANS), end=301).keys()
    )


def test_later_days_are_not_read():
    early = [(0, SOAP), (200, PANS), (235, LIDS)]
    assert cells(*early, (END, SALT), (END + 9, LIDS)) == cells(*early)


def test_time_running_backwards_turns_the_signs():
    """The null: where nothing depends on the order, both signs are equally likely."""
    h = random_histories(300, 12, N_ITEMS, seed=5, days=END)
    total = np.zeros((2, 4, 4, BINS))
    for number, some in enumerate((h, mirrored(h, END))):
        total[number] = contribution(some, SCOPE, end=END)
    between = ~np.eye(4, dtype=bool)
    spread = np.sqrt(np.maximum((total[0] ** 2).sum(axis=2), 1.0))
    assert np.abs(total[0].sum(axis=2) / spread)[between].max() < 4.0


def test_many_customers_are_the_sum_of_each(monkeypatch: pytest.MonkeyPatch):
    h = random_histories(40, 20, N_ITEMS, seed=2, days=END)
    each = sum(contribution(h.select(np.array([c])), SCOPE, end=END) for c in range(len(h)))
    np.testing.assert_allclose(contribution(h, SCOPE, end=END), each, atol=1e-12)
    monkeypatch.setattr(followups, "CUSTOMERS_AT_ONCE", 7)
    np.testing.assert_allclose(contribution(h, SCOPE, end=END), each, atol=1e-12)


@pytest.mark.parametrize("day", [-(2**24), 2_900_000])
def test_far_days_are_defined(day: int):
    found = contribution(make_histories([(day, PANS), (0, LIDS), (20, SOAP), (300, SALT)]), SCOPE, end=END)
    assert np.isfinite(found).all()
    assert np.linalg.norm(found) <= CLIP_NORM


def test_returns_and_views_are_no_purchases():
    rows: list[Row] = [(0, SOAP), (200, PANS), (235, LIDS, "view"), (240, LIDS, "return")]
    assert pairs_of(*rows) == {}


def test_data_without_times_is_refused():
    h = make_histories([(1, 1), (2, 2)], ordering=Ordering.ORDER_NUMBER)
    with pytest.raises(OrderingError, match="follow-ups need timestamps"):
        contribution(h, SCOPE)


def test_nobody_sends_zeros():
    nobody = make_histories([], [])
    assert not contribution(nobody, SCOPE, end=END).any()
    assert not contribution(replace(nobody, offsets=np.zeros(1, np.int64)), SCOPE).any()


def test_the_most_popular_categories_are_looked_at():
    popularity = (
        np.array([1, 5, 2, 4, 0, 0, 3, 0, 9]) / 24
    )  # soap 5, lids 5, salt 4, pans 1; 9 of no category
    scope = CategoryScope.of(CATALOGUE, popularity, max_pairs=6)
    assert scope.names == ("lids", "soap", "salt")
    assert scope.position.tolist() == [-1, 0, 1, 2, -1, 0, 1, 2, -1]
    assert CategoryScope.of(CATALOGUE, popularity, 6, exclude=("soap",)).names == ("lids", "salt", "pans")
    assert (usable_categories(CATALOGUE), usable_categories(CATALOGUE, ("soap", "tea"))) == (4, 3)
    assert [most_categories(pairs) for pairs in (2, 5, 6, 10_000)] == [2, 2, 3, 100]
    with pytest.raises(ConfigError, match="max_pairs is 1"):
        CategoryScope.of(CATALOGUE, popularity, max_pairs=1)


def test_hidden_categories_are_not_seen_and_the_shape_stays():
    h = random_histories(50, 20, N_ITEMS, seed=3, days=END)
    hidden = SCOPE.without(("lids", "health"))
    assert hidden.names == SCOPE.names
    found, whole = (contribution(h, scope, end=END, full_cells=1e6) for scope in (hidden, SCOPE))
    assert found.shape == whole.shape
    assert not found[LIDS].any()
    assert not found[:, LIDS].any()
    others = np.ix_([PANS, SOAP, SALT], [PANS, SOAP, SALT])
    np.testing.assert_allclose(found[others], whole[others])
    assert SCOPE.without(()).position.tolist() == SCOPE.position.tolist()


def test_edges_are_days_in_order():
    assert (np.diff(EDGES) > 0).all()
    assert EDGES[0] == 0


def test_how_many_customers_are_looked_at_together_depends_on_the_categories_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [followups._at_once(m) for m in (0, 2, 100, 1000, 10_000)] == [1000, 1000, 1000, 10, 1]
    h = random_histories(30, 12, N_ITEMS, seed=4)
    whole = contribution(h, SCOPE, end=END)
    monkeypatch.setattr(followups, "PAIRS_AT_ONCE", 3 * len(NAMES) ** 2)
    assert np.allclose(contribution(h, SCOPE, end=END), whole)
