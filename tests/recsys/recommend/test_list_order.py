from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import EventType, Histories
from recsys.models.replenishment import HORIZONS, IntervalModel
from recsys.recommend.due import DueItems, due_items
from recsys.recommend.list_order import DECAY, HAZARD, POPULARITY, SMALL_BASKETS, UNITS, list_scores, places
from tests.recsys.bundle_builder import NOW, make_catalogue, make_histories, make_history, make_intervals

N_ITEMS, DAYS = 60, 14
MODEL = IntervalModel.from_arrays(make_intervals(), make_catalogue(N_ITEMS))
EVEN = np.zeros(N_ITEMS, np.float32)


def alike(found: DueItems, chance: float = 0.5) -> DueItems:
    """The same pairs, all with one chance."""
    return replace(found, needs=replace(found.needs, chances=np.full_like(found.needs.chances, chance)))


def first(h: Histories, popularity: np.ndarray = EVEN) -> list[int]:
    """The items of one customer's list if all have one chance."""
    found = alike(due_items(MODEL, h, NOW))
    rank = places(found.needs.customers, list_scores(found, h, popularity, DAYS))
    return [int(item) for item in found.needs.items[np.argsort(rank)]]


def test_what_baskets_held_more_often_and_lately_comes_first() -> None:
    assert first(make_history((0, 20), (0, 13), (0, 6), (10, 6), (10, 5), (20, 30)))[:2] == [0, 10]
    assert first(make_history((0, 7), (10, 6))) == [10, 0]


def test_a_small_basket_says_more_of_its_items() -> None:
    big = [(item, 6) for item in range(20)]
    assert first(make_history(*big, (30, 7)))[0] == 30


def test_of_two_alike_the_popular_one_comes_first() -> None:
    popularity = EVEN.copy()
    popularity[10] = 1.0
    assert first(make_history((0, 6), (10, 6)), popularity) == [10, 0]
    assert first(make_history((0, 6), (10, 6))) == [0, 10]


def test_what_is_likelier_within_the_days_that_are_asked_about_comes_first() -> None:
    h = make_history((0, 6), (10, 6))
    found = alike(due_items(MODEL, h, NOW))
    found.needs.chances[1, HORIZONS.index(7)] = 0.9
    soon, later = (list_scores(found, h, EVEN, days) for days in (7, 30))
    assert soon[1] > soon[0]
    assert later[1] == later[0]


def test_units_count_a_basket_and_against_the_customers_other_items() -> None:
    h = make_history((0, 6), (10, 6), (10, 6))  # twice in one basket: one purchase of two units
    assert first(h) == [10, 0]
    found = alike(due_items(MODEL, h, NOW))
    scores = list_scores(found, h, EVEN, DAYS)
    assert scores[1] - scores[0] == pytest.approx(UNITS * np.log(2.0))
    odd = replace(h, quantities=np.array([np.inf, np.nan, -3.0], h.quantities.dtype))
    assert np.isfinite(list_scores(found, odd, EVEN, DAYS)).all()


def test_what_a_device_asks_for_comes_first() -> None:
    h = make_history(*[(0, day) for day in range(20, 0, -1)], (9, 1, EventType.EMPTY))
    found = due_items(MODEL, h, NOW)
    assert found.needs.items[np.argmax(list_scores(found, h, EVEN, DAYS))] == 9


def test_the_score_is_the_formula() -> None:
    h = make_history((0, 9), (0, 6), (10, 6))
    popularity = np.linspace(-9.0, -1.0, N_ITEMS).astype(np.float32)
    found = due_items(MODEL, h, NOW)
    chance = found.chance(DAYS)
    frequency = np.array([DECAY + 2.0**-SMALL_BASKETS, 2.0**-SMALL_BASKETS])
    expected = frequency * (-np.log(1.0 - chance)) ** HAZARD * np.exp(popularity[[0, 10]]) ** POPULARITY
    np.testing.assert_allclose(np.exp(list_scores(found, h, popularity, DAYS)), expected, rtol=1e-6)


def test_a_customers_scores_depend_on_that_customer_alone() -> None:
    h = make_histories(40, N_ITEMS, seed=5)
    found = due_items(MODEL, h, NOW)
    whole = list_scores(found, h, EVEN, DAYS)
    for customer in (0, 7, 39):
        alone = h.select(np.array([customer]))
        np.testing.assert_array_equal(
            list_scores(due_items(MODEL, alone, NOW), alone, EVEN, DAYS),
            whole[found.needs.customers == customer],
        )


def test_nobody_and_nothing_have_empty_lists() -> None:
    for h in (make_history(), make_histories(2, N_ITEMS).select(np.zeros(0, np.int64))):
        found = due_items(MODEL, h, NOW)
        assert list_scores(found, h, EVEN, DAYS).tolist() == []
    assert places(np.zeros(0, np.int64), np.zeros(0)).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5))))
def test_places_count_from_one_within_each_customer(pairs: list[tuple[int, int]]) -> None:
    pairs = sorted(pairs, key=lambda pair: pair[0])
    customers = np.array([c for c, _ in pairs], np.int64)
    scores = np.array([s for _, s in pairs], np.float64)
    found = places(customers, scores).tolist()
    for customer in set(customers.tolist()):
        mine = [k for k in range(len(pairs)) if pairs[k][0] == customer]
        ordered = sorted(mine, key=lambda k: -pairs[k][1])
        assert [found[k] for k in ordered] == list(range(1, len(mine) + 1))
