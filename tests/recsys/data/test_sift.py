"""Rows of customers that break the contract are set aside; what stays is what strict reading makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from recsys.data.conform import conform
from recsys.data.contracts import Table
from recsys.data.sift import sift
from recsys.errors import DataContractError

NOW = datetime(2025, 1, 1, tzinfo=UTC)
GOOD: dict[str, list[Any]] = {
    "event_id": ["1", "1", "2", None, None],
    "customer_id": ["a", "b", "a", "a", "a"],
    "item_id": ["x"] * 5,
    "quantity": ["1", "2.5", None, "4", "5"],
    "timestamp": ["2024-01-01", "2024-01-02T10:00", "2024-01-03", "2024-01-04", "2024-01-05"],
}


def sifted(columns: dict[str, Any], table: Table = Table.INTERACTIONS, **options: Any) -> pa.Table:
    return sift(table, pa.table(columns), source="rows", now=NOW, timezone="Europe/Berlin", **options)


def strict(columns: dict[str, Any], table: Table = Table.INTERACTIONS) -> pa.Table:
    return conform(table, pa.table(columns), source="rows", now=NOW, timezone="Europe/Berlin")


def test_sound_rows_are_those_of_strict_reading() -> None:
    assert sifted(GOOD).equals(strict(GOOD))
    assert sifted(GOOD, ordered_by="timestamp").equals(strict(GOOD))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("quantity", "two"),
        ("quantity", "-1"),
        ("quantity", "nan"),
        ("quantity", "2000000"),
        ("timestamp", "2190-01-01"),
        ("timestamp", "yesterday"),
        ("timestamp", "99999999999999999999"),
        ("timestamp", None),
        ("customer_id", " "),
        ("customer_id", None),
        ("item_id", ""),
        ("event_id", "2"),
    ],
)
@pytest.mark.parametrize("row", [3, 4])
def test_a_broken_value_sets_its_own_row_aside_alone(column: str, value: Any, row: int) -> None:
    broken = {name: list(values) for name, values in GOOD.items()}
    broken[column][row] = value
    rest = {name: values[:row] + values[row + 1 :] for name, values in GOOD.items()}
    with pytest.raises(DataContractError):
        strict(broken)
    assert sifted(broken, ordered_by="timestamp").equals(strict(rest))


def test_each_time_is_read_as_it_is_written_whatever_stands_in_other_rows() -> None:
    forms = [
        "2024-01-01T10:00",
        "2024-01-01T10:00Z",
        "1700000000",
        "2024-01-01T10:00+05:00",
        "nonsense",
        None,
    ]
    rows = {"customer_id": ["a"] * 6, "item_id": ["x"] * 6, "timestamp": forms}
    alone = [strict({"customer_id": ["a"], "item_id": ["x"], "timestamp": [form]}) for form in forms[:4]]
    assert sifted(rows, ordered_by="timestamp")["timestamp"].to_pylist() == [
        one["timestamp"][0].as_py() for one in alone
    ]
    with pytest.raises(DataContractError, match="expected a time"):
        strict(rows)
    with pytest.raises(DataContractError, match="mixed time zones"):
        strict({name: values[:2] for name, values in rows.items()})


@pytest.mark.parametrize("days", [2**31 - 1, -(2**31)])
def test_a_date_beyond_all_time_is_named_and_set_aside(days: int) -> None:
    dates = pa.array([19_000, days], pa.int32()).cast(pa.date32())
    rows = {"customer_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": dates}
    with pytest.raises(DataContractError, match="out of range"):
        strict(rows)
    assert sifted(rows, ordered_by="timestamp")["customer_id"].to_pylist() == ["a"]


def test_which_column_must_be_whole_is_told_by_the_order_and_not_by_values() -> None:
    for numbers in ([1, None], [None, None], [1, 2]):
        rows = {"customer_id": ["a", "b"], "item_id": ["x", "y"], "order_no": pa.array(numbers, pa.int64())}
        assert sifted(rows).num_rows == 2
        assert sifted(rows, ordered_by="order_no").num_rows == 2 - numbers.count(None)


def test_a_customer_who_is_listed_twice_or_in_doubt_is_not_listed() -> None:
    rows = {
        "customer_id": ["a", "b", " a", "c", "d", "e", None, "c"],
        "person_key": ["p", "p", None, None, None, None, None, None],
        "person_rank": [1, 1, 1, 1, 0, 1, 1, 1],
        "consent_training": ["true", "true", "false", "perhaps", "true", "false", "true", "true"],
        "consent_personalisation": ["true"] * 8,
    }
    assert sifted(rows, Table.CUSTOMERS)["customer_id"].to_pylist() == ["b", "e"]


def test_one_person_under_two_ids_decides_about_neither() -> None:
    rows = {
        "customer_id": ["a", "b"],
        "person_key": ["p", "p"],
        "consent_training": [True, True],
        "consent_personalisation": [True, True],
    }
    assert sifted(rows, Table.CUSTOMERS).num_rows == 2
    with pytest.raises(DataContractError, match="id collision"):
        strict(rows, Table.CUSTOMERS)


@pytest.mark.parametrize(("column", "values"), [("item_id", None), ("quantity", [True] * 5)])
def test_what_is_wrong_with_a_whole_column_stays_an_error(column: str, values: Any) -> None:
    columns = {name: held for name, held in (GOOD | {column: values}).items() if held is not None}
    with pytest.raises(DataContractError) as caught:
        sifted(columns)
    assert caught.value.location.column == column


def test_nothing_left_is_no_error() -> None:
    columns = {name: values[:0] for name, values in GOOD.items()}
    assert sifted(columns, ordered_by="timestamp").num_rows == 0
