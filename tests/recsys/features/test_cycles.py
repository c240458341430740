import numpy as np
import pytest
from hypothesis import given

from recsys.data.history import Ordering
from recsys.errors import OrderingError
from recsys.features.cycles import intervals
from tests.recsys.histories_builder import customers_strategy, make_histories


def test_gaps_are_days_between_distinct_days():
    cycles = intervals(make_histories([(1, 5), (1, 5), (8, 5), (8, 6), (38, 5)], [], [(3, 5)]))
    assert cycles.customers.tolist() == [0, 0, 2]
    assert cycles.items.tolist() == [5, 6, 5]
    assert cycles.gaps.tolist() == [7, 30]
    assert cycles.counts.tolist() == [2, 0, 0]
    assert cycles.pairs.tolist() == [0, 0]
    assert cycles.last.tolist() == [38 * 86_400, 8 * 86_400, 3 * 86_400]


def test_only_purchases_make_a_cycle():
    assert intervals(make_histories([(1, 5), (4, 5, "view"), (9, 5)])).gaps.tolist() == [8]


def test_no_purchases_no_cycles():
    cycles = intervals(make_histories([], [(1, 2, "view")]))
    assert len(cycles.items) == len(cycles.gaps) == 0
    assert cycles.offsets.tolist() == [0]


@pytest.mark.parametrize("ordering", [Ordering.NONE, Ordering.ORDER_NUMBER])
def test_data_without_timestamps_is_refused(ordering):
    with pytest.raises(OrderingError, match="need timestamps"):
        intervals(make_histories([(1, 1)], ordering=ordering))


@given(customers_strategy())
def test_cycles_agree_with_a_plain_loop(customers):
    h = make_histories(*customers)
    cycles = intervals(h)
    found = {}
    for p in range(len(cycles.items)):
        gaps = cycles.gaps[cycles.offsets[p] : cycles.offsets[p + 1]]
        found[int(cycles.customers[p]), int(cycles.items[p])] = gaps.tolist()
    expected = {}
    for c, rows in enumerate(customers):
        for item in {row[1] for row in rows}:
            expected[c, item] = np.diff(sorted({row[0] for row in rows if row[1] == item})).tolist()
    assert found == expected
