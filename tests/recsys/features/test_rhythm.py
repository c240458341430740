from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from recsys.data.history import SECONDS_PER_DAY, Ordering
from recsys.errors import OrderingError
from recsys.features.rhythm import SPREAD, rhythms
from tests.recsys.histories_builder import Row, customers_strategy, make_histories

USUAL = np.log(np.array([30.0, 30.0, 7.0, 90.0, 30.0, 30.0, 30.0, 30.0]))


def test_days_of_purchase_are_counted_once_and_views_not_at_all():
    h = make_histories([(10, 1), (10, 1), (20, 1), (15, 1, "view"), (25, 2)], [], [(3, 0)])
    pairs = rhythms(h, 30, USUAL)
    assert pairs.customers.tolist() == [0, 0, 2]
    assert pairs.items.tolist() == [1, 2, 0]
    assert pairs.purchases.tolist() == [2, 1, 1]
    assert pairs.elapsed.tolist() == [10, 5, 27]
    assert pairs.age.tolist() == [20, 5, 27]
    assert pairs.last.tolist() == [20 * SECONDS_PER_DAY, 25 * SECONDS_PER_DAY, 3 * SECONDS_PER_DAY]
    assert pairs.visits.tolist() == [3, 3, 1]
    assert pairs.since.tolist() == [20, 20, 27]


def test_gaps_go_from_what_is_usual_to_the_pairs_own():
    few, many = (rhythms(make_histories([(10 * i, 0) for i in range(n)]), 200, USUAL) for n in (2, 20))
    assert np.log(10) < many.gap[0] < few.gap[0] < np.log(30)
    assert np.exp(many.gap[0]) == pytest.approx(10, rel=0.1)
    assert many.spread[0] < few.spread[0] == pytest.approx(SPREAD)


def test_what_was_bought_once_follows_the_customers_pace():
    steady = [(20 * i, 0) for i in range(8)] + [(150, 3)]
    slow = [(60 * i, 0) for i in range(8)] + [(150, 3)]
    quick, late = (rhythms(make_histories(rows), 500, USUAL) for rows in (steady, slow))
    assert quick.gap[1] < USUAL[3] < late.gap[1]


def test_more_units_last_longer_where_gaps_go_with_units():
    rows = [(0, 0), (10, 0), (30, 0), (40, 0), (60, 0), (70, 0)]
    h = make_histories(rows)
    doubled = replace(h, quantities=np.array([1, 2, 1, 2, 1, 2], np.float32))
    unrelated = replace(h, quantities=np.array([2, 1, 2, 1, 1, 2], np.float32))
    assert rhythms(doubled, 75, USUAL).units[0] > 2 * rhythms(unrelated, 75, USUAL).units[0] > 0
    assert rhythms(h, 75, USUAL).units[0] == pytest.approx(0)
    assert rhythms(doubled, 75, USUAL).spread[0] < rhythms(h, 75, USUAL).spread[0]


def test_later_dates_count_as_the_day_and_bad_units_as_few():
    h = make_histories([(5, 0), (9, 0)])
    bad = replace(h, quantities=np.array([np.nan, np.inf], np.float32))
    for some in (h, bad):
        pairs = rhythms(some, 7, USUAL)
        assert pairs.elapsed.tolist() == [0.5]
        assert np.isfinite([pairs.gap, pairs.spread, pairs.units]).all()


def test_data_without_times_are_refused():
    with pytest.raises(OrderingError, match="add a 'timestamp' column"):
        rhythms(make_histories([(1, 1)], ordering=Ordering.ORDER_NUMBER), 5, USUAL)


@given(customers_strategy())
def test_a_customers_rows_depend_on_nobody_else(customers: list[list[Row]]):
    h = make_histories(*customers)
    together = rhythms(h, 31, USUAL)
    for position in range(len(h)):
        alone = rhythms(h.select(np.array([position])), 31, USUAL)
        mine = together.where(together.customers == position)
        for name in ("items", "purchases", "last", "elapsed", "age", "gap", "spread", "units", "visits"):
            np.testing.assert_allclose(getattr(mine, name), getattr(alone, name), rtol=1e-12, atol=1e-12)
