import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import Ordering
from recsys.errors import ConfigError
from recsys.features.pairs import group_pairs, recent_items
from tests.recsys.histories_builder import customers_strategy, make_histories


def test_recent_items_are_distinct_and_newest_first():
    sets = recent_items(make_histories([(1, 4), (2, 5), (3, 4), (4, 6)], [], [(1, 2)]), 2)
    assert sets.items.tolist() == [6, 4, 2]
    assert sets.offsets.tolist() == [0, 2, 2, 3]
    assert sets.lengths.tolist() == [2, 0, 1]
    assert sets.rows.tolist() == [0, 0, 2]


def test_only_purchases_count_as_items():
    assert recent_items(make_histories([(1, 4, "view"), (2, 5)]), 9).items.tolist() == [5]


def test_items_are_known_without_any_order():
    h = make_histories([(0, 3), (0, 3), (0, 1)], ordering=Ordering.NONE)
    assert sorted(recent_items(h, 5).items.tolist()) == [1, 3]


def test_a_bound_below_one_is_refused():
    with pytest.raises(ConfigError, match="max_items is 0"):
        recent_items(make_histories([(1, 1)]), 0)


def test_groups_of_no_events_are_no_groups():
    order, starts = group_pairs(np.zeros(0, np.int64), np.zeros(0, np.int32))
    assert len(order) == len(starts) == 0


@given(customers_strategy(), st.integers(1, 5))
def test_recent_items_agree_with_a_plain_loop(customers, bound):
    h = make_histories(*customers)
    sets = recent_items(h, bound)
    for c in range(len(h)):
        expected: list[int] = []
        for item in reversed(h.items[h.offsets[c] : h.offsets[c + 1]].tolist()):
            if item not in expected:
                expected.append(item)
        assert sets.items[sets.offsets[c] : sets.offsets[c + 1]].tolist() == expected[:bound]
