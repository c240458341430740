from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.history import EventType, Histories, Ordering
from recsys.data.split import last_basket_split, temporal_split, validation_split
from recsys.errors import ConfigError, OrderingError

VIEW, BUY = EventType.VIEW, EventType.PURCHASE
Row = tuple[int, int, EventType]  # item, basket, event


def histories(*customers: list[Row], ordering: Ordering = Ordering.ORDER_NUMBER) -> Histories:
    """Customers' events, sorted by basket."""
    sorted_rows = [sorted(rows, key=lambda row: row[1]) for rows in customers]
    flat = [row for rows in sorted_rows for row in rows]
    return Histories(
        np.cumsum([0, *map(len, customers)]).astype(np.int64),
        np.array([row[0] for row in flat], np.int32),
        np.array([row[1] for row in flat], np.int64),
        np.array([row[2].code for row in flat], np.int8),
        np.ones(len(flat), np.float32),
        ordering,
    )


def items(h: Histories, customer: int) -> list[int]:
    return h.items[h.offsets[customer] : h.offsets[customer + 1]].tolist()  # type: ignore[no-any-return]


def test_last_basket_of_customers_with_three() -> None:
    split = last_basket_split(
        histories(
            [(1, 1, BUY), (2, 2, BUY), (3, 3, BUY), (3, 3, BUY), (1, 3, BUY), (9, 3, VIEW)],
            [(1, 1, BUY), (2, 2, BUY)],
            [],
        )
    )
    assert split.customers.tolist() == [0]
    assert items(split.train, 0) == [1, 2]
    assert items(split.targets, 0) == [3, 1]
    assert items(split.train, 1) == [1, 2]
    assert len(split.train) == len(split.targets) == 3
    assert items(split.targets, 1) == items(split.targets, 2) == []


def test_views_are_no_baskets_and_nothing_after_the_target_is_seen() -> None:
    split = last_basket_split(
        histories(
            [(1, 1, BUY), (2, 2, VIEW), (3, 3, BUY), (4, 4, VIEW)],
            [(1, 1, BUY), (2, 2, VIEW), (5, 2, BUY), (3, 3, BUY), (4, 4, VIEW)],
        )
    )
    assert split.customers.tolist() == [1]
    assert items(split.train, 0) == [1, 2, 3, 4]
    assert items(split.train, 1) == [1, 2, 5]
    assert items(split.targets, 1) == [3]


def test_validation_comes_from_train_alone() -> None:
    split = last_basket_split(histories([(1, 1, BUY), (2, 2, BUY), (3, 3, BUY)], [(1, 1, BUY), (2, 2, BUY)]))
    inner = validation_split(split)
    assert inner.customers.tolist() == [0]
    assert items(inner.train, 0) == [1]
    assert items(inner.targets, 0) == [2]
    assert items(inner.train, 1) == [1, 2]
    assert validation_split(inner).customers.tolist() == []


def test_temporal_split_has_one_cut_off() -> None:
    rows = [(1, 1, BUY), (3, 2, VIEW), (2, 3, BUY), (2, 3, BUY), (4, 5, BUY)]
    split = temporal_split(
        histories(rows, [(1, 1, BUY)], [(1, 2, BUY)], [(7, 1, VIEW), (1, 2, BUY)]), cutoff=2
    )
    assert split.customers.tolist() == [0]
    assert items(split.train, 0) == [1]
    assert items(split.targets, 0) == [2]
    assert items(split.train, 2) == items(split.targets, 2) == []


def test_what_cannot_be_split() -> None:
    unordered = histories([(1, 0, BUY)], ordering=Ordering.NONE)
    with pytest.raises(OrderingError):
        last_basket_split(unordered)
    with pytest.raises(OrderingError, match="timestamps"):
        temporal_split(unordered, 1)
    with pytest.raises(ConfigError, match="min_baskets = 1"):
        last_basket_split(unordered, min_baskets=1)


CUSTOMERS = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5), st.sampled_from([VIEW, BUY])), max_size=12),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(customers=CUSTOMERS, min_baskets=st.integers(2, 4))
def test_the_split_is_what_a_loop_would_make(customers: list[list[Row]], min_baskets: int) -> None:
    split = last_basket_split(histories(*customers), min_baskets=min_baskets)
    for number, rows in enumerate(customers):
        baskets = sorted({basket for _, basket, event in rows if event is BUY})
        evaluated = len(baskets) >= min_baskets
        assert (number in split.customers.tolist()) == evaluated
        target = {
            item for item, basket, event in rows if evaluated and event is BUY and basket == baskets[-1]
        }
        assert sorted(items(split.targets, number)) == sorted(target)
        seen = [item for item, basket, _ in rows if not evaluated or basket < baskets[-1]]
        assert sorted(items(split.train, number)) == sorted(seen)
