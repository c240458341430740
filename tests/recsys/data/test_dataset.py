from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data.consent import Consented, Training, consented_for_training
from recsys.data.contracts import Table
from recsys.data.dataset import Dataset
from recsys.data.history import EventType, Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, OrderingError, UnknownItemError

Maker = Callable[..., pa.Table]
DAY = 86_400


def consented(rows: pa.Table, people: pa.Table) -> Consented[Training]:
    return consented_for_training(rows, people, max_silos_per_person=1, silos=1)


def build(rows: pa.Table, people: pa.Table, catalogue: Catalogue, **options: Any) -> Dataset:
    options = {"ordering": Ordering.TIMESTAMP, "max_events_per_customer": None} | options
    return Dataset.build(consented(rows, people), catalogue, **options)


def events(histories: Histories, customer: int) -> list[tuple[int, int]]:
    part = slice(histories.offsets[customer], histories.offsets[customer + 1])
    return list(zip(histories.items[part].tolist(), histories.times[part].tolist(), strict=True))


def test_histories_are_sorted_by_customer_and_time(
    customers: Maker, purchases: Maker, catalogue: Catalogue
) -> None:
    rows = purchases(("b", "milk", 3), ("a", "milk", 2), ("b", "apple", 1), ("a", "bread", 2))
    data = build(rows, customers("b", "a", "empty"), catalogue, utc_offset_seconds=3600)
    assert data.customer_ids == ("a", "b", "empty")
    assert events(data.histories, 0) == [(2, 2 * DAY), (1, 2 * DAY)]
    assert events(data.histories, 1) == [(0, DAY), (2, 3 * DAY)]
    assert events(data.histories, 2) == []
    assert data.histories.utc_offset_seconds == 3600
    types = (data.histories.offsets, data.histories.items, data.histories.times, data.histories.events)
    assert [values.dtype for values in types] == [np.int64, np.int32, np.int64, np.int8]
    assert data.histories.quantities.dtype == np.float32


def test_events_and_quantities_are_kept(make: Maker, customers: Maker, catalogue: Catalogue) -> None:
    rows = make(
        Table.INTERACTIONS,
        customer_id=["a", "a"],
        item_id=["milk", "bread"],
        event=["view", None],
        quantity=[0.0, 2.5],
        timestamp=[5, 6],
    )
    histories = build(rows, customers("a"), catalogue).histories
    assert histories.events.tolist() == [EventType.VIEW.code, EventType.PURCHASE.code]
    assert histories.quantities.tolist() == [0.0, 2.5]


def test_order_numbers_and_no_order(customers: Maker, make: Maker, catalogue: Catalogue) -> None:
    rows = make(Table.INTERACTIONS, customer_id=["a", "a"], item_id=["milk", "bread"], order_no=[2, 1])
    by_number = build(rows, customers("a"), catalogue, ordering=Ordering.ORDER_NUMBER).histories
    assert events(by_number, 0) == [(1, 1), (2, 2)]
    without = build(rows, customers("a"), catalogue, ordering=Ordering.NONE).histories
    assert events(without, 0) == [(2, 0), (1, 0)]
    with pytest.raises(OrderingError, match="'timestamp'"):
        build(rows, customers("a"), catalogue)
    with pytest.raises(OrderingError, match="order_no"):
        build(rows.drop_columns("order_no"), customers("a"), catalogue, ordering=Ordering.ORDER_NUMBER)


def test_minimal_columns_are_enough(customers: Maker, catalogue: Catalogue) -> None:
    rows = pa.table({"customer_id": ["a"], "item_id": ["milk"]})
    histories = build(rows, customers("a"), catalogue, ordering=Ordering.NONE).histories
    assert histories.events.tolist() == [EventType.PURCHASE.code]
    assert histories.quantities.tolist() == [1.0]


def test_unknown_items_are_named_or_dropped(customers: Maker, purchases: Maker, catalogue: Catalogue) -> None:
    rows = purchases(("a", "milk", 1), ("a", "caviar", 2))
    with pytest.raises(UnknownItemError, match="'caviar'"):
        build(rows, customers("a"), catalogue)
    assert events(build(rows, customers("a"), catalogue, drop_unknown_items=True).histories, 0) == [(2, DAY)]


def test_the_bound_keeps_the_most_recent_events(
    customers: Maker, purchases: Maker, catalogue: Catalogue
) -> None:
    rows = purchases(("a", "milk", 3), ("a", "apple", 1), ("a", "bread", 2), ("b", "milk", 1))
    histories = build(rows, customers("a", "b"), catalogue, max_events_per_customer=2).histories
    assert events(histories, 0) == [(1, 2 * DAY), (2, 3 * DAY)]
    assert events(histories, 1) == [(2, DAY)]
    with pytest.raises(ConfigError, match="max_events_per_customer = 0"):
        build(rows, customers("a", "b"), catalogue, max_events_per_customer=0)


def test_nobody_consents(customers: Maker, purchases: Maker, catalogue: Catalogue) -> None:
    data = build(purchases(("a", "milk", 1)), customers("a", training=[False]), catalogue)
    assert data.customer_ids == ()
    assert len(data.histories) == 0


def test_far_apart_times_sort_too(customers: Maker, make: Maker, catalogue: Catalogue) -> None:
    far = 2**62
    rows = make(
        Table.INTERACTIONS, customer_id=["b", "a", "b"], item_id=["milk"] * 3, order_no=[far, -far, -far]
    )
    histories = build(rows, customers("a", "b"), catalogue, ordering=Ordering.ORDER_NUMBER).histories
    assert histories.times.tolist() == [-far, -far, far]


ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["milk", "apple", "bread"]), st.integers(0, 5)),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(rows=ROWS, removed=st.sampled_from("abcd"), bound=st.none() | st.integers(1, 4))
def test_removing_a_customer_leaves_all_other_histories_identical(
    customers: Maker,
    purchases: Maker,
    catalogue: Catalogue,
    rows: list[tuple[str, str, int]],
    removed: str,
    bound: int | None,
) -> None:
    others = [name for name in "abcd" if name != removed]
    whole = build(purchases(*rows), customers(*"abcd"), catalogue, max_events_per_customer=bound)
    kept = purchases(*[row for row in rows if row[0] != removed])
    rest = build(kept, customers(*others), catalogue, max_events_per_customer=bound)
    expected = whole.histories.select(np.array(["abcd".index(name) for name in others]))
    for name in ("offsets", "items", "times", "events", "quantities"):
        np.testing.assert_array_equal(getattr(rest.histories, name), getattr(expected, name))
