import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import EventType, Ordering
from recsys.errors import ConfigError, OrderingError
from recsys.features.sequences import SequenceConfig, encode
from tests.recsys.histories_builder import customers_strategy, make_histories, random_histories

SHORT = SequenceConfig(max_items=4, decay=0.5)


def test_newest_items_first_with_weights_halved_per_basket():
    s = encode(make_histories([(1, 7), (2, 8), (5, 9)]), SHORT)
    assert s.ids.tolist() == [[9, 8, 7, -1]]
    np.testing.assert_allclose(s.weights, np.array([[4, 2, 1, 0]]) / np.sqrt(21), rtol=1e-6)


def test_items_of_one_day_share_a_basket():
    weights = encode(make_histories([(1, 7), (1, 8), (1, 9)]), SHORT).weights[0]
    np.testing.assert_allclose(weights, [*[3**-0.5] * 3, 0], rtol=1e-6)


def test_order_numbers_are_baskets_too():
    s = encode(make_histories([(10, 1), (70, 2)], ordering=Ordering.ORDER_NUMBER), SHORT)
    np.testing.assert_allclose(s.weights[0, :2], np.array([2, 1]) / np.sqrt(5), rtol=1e-6)


def test_an_empty_history_is_all_padding():
    s = encode(make_histories([], [(1, 2)], []), SHORT)
    assert len(s) == 3
    assert (s.ids[[0, 2]] == -1).all()
    assert (s.weights[[0, 2]] == 0).all()


def test_a_view_is_seen_at_once_and_weighs_less():
    before = encode(make_histories([(1, 7), (2, 8)]), SHORT)
    after = encode(make_histories([(1, 7), (2, 8), (2, 9, "view")]), SHORT)
    assert before.ids.tolist() != after.ids.tolist()
    assert after.ids[0].tolist() == [9, 8, 7, -1]
    assert after.weights[0, 0] == pytest.approx(0.3 * after.weights[0, 1], rel=1e-5)


def test_an_item_counts_with_its_strongest_event():
    s = encode(make_histories([(2, 8), (2, 9), (2, 8, "view")]), SHORT)
    assert s.ids[0, :2].tolist() == [8, 9]
    assert s.weights[0, 0] == s.weights[0, 1]


@pytest.mark.parametrize("removal", ["return", "dismiss"])
def test_a_removal_as_latest_event_takes_the_item_out(removal):
    gone = encode(make_histories([(1, 7), (2, 8), (3, 8, removal)]), SHORT)
    assert gone.ids[0].tolist() == [7, -1, -1, -1]
    back = encode(make_histories([(1, 7), (2, 8), (3, 8, removal), (4, 8)]), SHORT)
    assert back.ids[0].tolist() == [8, 7, -1, -1]


def test_events_of_weight_zero_are_as_if_they_were_not():
    config = SequenceConfig(max_items=4, decay=0.5, view=0.0)
    with_view = encode(make_histories([(1, 7), (2, 8, "view")]), config)
    without = encode(make_histories([(1, 7)]), config)
    assert with_view.ids.tolist() == without.ids.tolist()


def test_data_without_order_is_refused_unless_asked_for():
    h = make_histories([(0, 1), (0, 2), (0, 1)], ordering=Ordering.NONE)
    with pytest.raises(OrderingError, match="no timestamps or order numbers"):
        encode(h, SequenceConfig(decay=1.0))
    s = encode(h, SequenceConfig(decay=1.0, needs_order=False))
    assert sorted(s.ids[0, :2].tolist()) == [1, 2]
    assert s.weights[0, 0] == s.weights[0, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_items": 0}, "max_items is 0"),
        ({"decay": 0.0}, "decay is 0"),
        ({"decay": 1.1}, "decay is 1.1"),
        ({"needs_order": False}, "without order"),
        ({"view": -1.0}, "event weight"),
        ({"cart": float("nan")}, "event weight"),
    ],
)
def test_configurations_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        SequenceConfig(**wrong)


def test_a_weight_is_given_to_every_event_type():
    weights = SequenceConfig().event_weights
    assert weights[EventType.PURCHASE.code] == 1.0
    assert weights[EventType.DISMISS.code] == weights[EventType.RETURN.code] == 0.0


@given(customers_strategy(events=True), st.integers(1, 5))
def test_many_customers_at_once_equal_one_at_a_time(customers, bound):
    h = make_histories(*customers)
    config = SequenceConfig(max_items=bound)
    together = encode(h, config)
    for c in range(len(h)):
        alone = encode(h.select(np.array([c])), config)
        assert together.ids[c].tolist() == alone.ids[0].tolist()
        assert together.weights[c].tobytes() == alone.weights[0].tobytes()


@given(customers_strategy(events=True), st.integers(1, 5))
def test_norm_is_one_or_zero_and_padding_has_no_weight(customers, bound):
    s = encode(make_histories(*customers), SequenceConfig(max_items=bound))
    norms = np.linalg.norm(s.weights.astype(np.float64), axis=1)
    full = (s.ids >= 0).any(axis=1)
    np.testing.assert_allclose(norms[full], 1.0, atol=1e-6)
    assert (norms[~full] == 0).all()
    assert (s.weights[s.ids < 0] == 0).all()


def test_ten_thousand_events_stay_within_the_bound():
    h = make_histories([(day, day % 977) for day in range(10_000)])
    s = encode(h, SequenceConfig())
    assert s.ids.shape == (1, 50)
    assert s.ids[0].tolist() == [day % 977 for day in range(9_999, 9_949, -1)]
    assert np.isfinite(s.weights).all()


def test_other_customers_change_nothing():
    h = random_histories(40, 20, 30)
    few = encode(h.select(np.arange(0, 40, 2)), SHORT)
    assert encode(h, SHORT).ids[::2].tolist() == few.ids.tolist()
