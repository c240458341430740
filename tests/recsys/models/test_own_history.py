import numpy as np
import pytest
from hypothesis import given

from recsys.data.history import Ordering
from recsys.errors import OrderingError
from recsys.models.own_history import baskets_bought, repeat_scores
from tests.recsys.histories_builder import customers_strategy, make_histories


def test_frequency_decays_per_basket():
    own = repeat_scores(make_histories([(1, 4), (1, 5), (2, 4), (3, 6)]), decay=0.5)
    items, scores = own.of(0)
    assert items.tolist() == [4, 5, 6]
    assert scores.tolist() == [0.75, 0.25, 1.0]


def test_baskets_are_those_with_purchases():
    h = make_histories([(1, 4), (1, 5), (2, 4, "view"), (3, 6)], [], [(1, 3, "view")], [(1, 2)])
    assert baskets_bought(h).tolist() == [2, 0, 0, 1]
    assert baskets_bought(make_histories()).tolist() == []
    with pytest.raises(OrderingError):
        baskets_bought(make_histories([(0, 1)], ordering=Ordering.NONE))


def test_a_basket_counts_an_item_once():
    assert repeat_scores(make_histories([(1, 4), (1, 4), (1, 4)])).scores.tolist() == [1.0]


def test_views_neither_count_nor_age_a_purchase():
    h = make_histories([(1, 4), (2, 5, "view"), (3, 4, "cart")])
    assert repeat_scores(h).scores.tolist() == [1.0]


@pytest.mark.parametrize("removal", ["return", "dismiss"])
def test_removed_items_are_left_out_until_bought_again(removal):
    rows = [(1, 4), (1, 5), (2, 5, removal)]
    assert repeat_scores(make_histories(rows)).items.tolist() == [4]
    assert repeat_scores(make_histories([*rows, (3, 5)])).items.tolist() == [4, 5]


def test_customers_without_purchases_have_no_scores():
    own = repeat_scores(make_histories([], [(1, 3, "view")]))
    assert len(own) == 2
    assert own.offsets.tolist() == [0, 0, 0]


def test_data_without_order_is_refused():
    with pytest.raises(OrderingError):
        repeat_scores(make_histories([(0, 1)], ordering=Ordering.NONE))


@given(customers_strategy(events=True))
def test_many_customers_at_once_equal_a_plain_loop(customers):
    h = make_histories(*customers)
    own = repeat_scores(h, 0.5)
    for c, rows in enumerate(customers):
        rows = sorted(rows, key=lambda row: row[0])
        days = sorted({day for day, _, event in rows if event == "purchase"}, reverse=True)
        latest = {item: event for _, item, event in rows}
        expected = {}
        for item in {item for _, item, event in rows if event == "purchase"}:
            if latest[item] not in ("return", "dismiss"):
                bought = {day for day, i, event in rows if i == item and event == "purchase"}
                expected[item] = sum(0.5 ** days.index(day) for day in bought)
        items, scores = own.of(c)
        assert dict(zip(items.tolist(), scores.tolist(), strict=True)) == pytest.approx(expected)
        assert np.array_equal(items, np.sort(items))
