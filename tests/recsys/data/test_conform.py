from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from recsys.data.conform import conform
from recsys.data.contracts import CONTRACTS, Table, empty
from recsys.data.source import Source, source_of
from recsys.errors import DataContractError

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def interactions(**columns: Any) -> pa.Table:
    data = {"customer_id": ["a", "b"], "item_id": ["x", "y"]} | columns
    return conform(Table.INTERACTIONS, pa.table(data), source="interactions.csv", now=NOW)


def fails(table: Table, columns: dict[str, Any], timezone: str = "UTC") -> DataContractError:
    with pytest.raises(DataContractError) as caught:
        conform(table, pa.table(columns), source="table.csv", timezone=timezone, now=NOW)
    assert "\n" not in str(caught.value)
    return caught.value


def fails_in(column: str, values: Any) -> DataContractError:
    error = fails(Table.INTERACTIONS, {"customer_id": ["a", "b"], "item_id": ["x", "y"], column: values})
    assert error.location.column == column
    return error


@pytest.mark.parametrize("table", list(Table))
def test_contracts_are_complete(table: Table) -> None:
    contract = CONTRACTS[table]
    assert all(column.unit for column in contract.columns)
    assert empty(table).schema == contract.schema
    assert all(set(names) <= set(contract.names) for names in contract.unique)


def test_absent_columns_get_defaults_or_nulls_and_others_are_dropped() -> None:
    rows = interactions(secret=["s", "t"])
    assert rows.schema.equals(CONTRACTS[Table.INTERACTIONS].schema)
    assert rows["event"].to_pylist() == ["purchase", "purchase"]
    assert rows["quantity"].to_pylist() == [1.0, 1.0]
    assert rows["timestamp"].null_count == rows["event_id"].null_count == 2


def test_the_origin_is_remembered() -> None:
    assert source_of(interactions()).file == "interactions.csv"
    assert source_of(pa.table({"a": [1]})).file == "table"
    assert Source("f", pa.table({"a": [1]})).error("p", "r", column="a", row=0).location.value == "1"


def test_ids_become_trimmed_text() -> None:
    rows = interactions(
        customer_id=[1, 22], item_id=[" x", "y "], event=pa.array(["view", None]).dictionary_encode()
    )
    assert rows["customer_id"].to_pylist() == ["1", "22"]
    assert rows["item_id"].to_pylist() == ["x", "y"]
    assert rows["event"].to_pylist() == ["view", "purchase"]
    large = interactions(customer_id=pa.array(["a", "b"], pa.large_string()))
    assert large["customer_id"].type == pa.string()


def test_fractional_ids_are_a_wrong_type() -> None:
    error = fails_in("customer_id", [1.0, 2.0])
    assert "wrong type double" in error.problem


@pytest.mark.parametrize(
    ("column", "values", "row", "problem"),
    [
        ("customer_id", ["a", "  "], 2, "empty id"),
        ("customer_id", ["a", None], 2, "missing value"),
        ("event", ["view", "stare"], 2, "unknown word"),
        ("quantity", [1.0, -1.0], 2, "negative"),
        ("quantity", [float("nan"), 1.0], 1, "not a finite number"),
        ("price", [1.0, float("inf")], 2, "not a finite number"),
        ("quantity", ["1", "two"], 2, "wrong type"),
        ("quantity", [True, False], None, "wrong type bool"),
        ("order_no", [1.0, 2.5], 2, "wrong type"),
        ("order_no", [1, None], 2, "missing value"),
        ("event_id", ["e", ""], 2, "empty id"),
        ("timestamp", [1.5, 2.5], None, "expected a time"),
    ],
)
def test_breaches_name_row_and_column(column: str, values: Any, row: int | None, problem: str) -> None:
    error = fails_in(column, values)
    assert error.location.row == row
    assert problem in error.problem


def test_missing_numbers_may_be_nan() -> None:
    rows = interactions(price=[float("nan"), 2.0], event_id=["1", None])
    assert rows["price"].to_pylist() == [None, 2.0]
    assert interactions(price=[Decimal("1.5"), None])["price"].to_pylist() == [1.5, None]


def test_consent_is_true_or_false() -> None:
    columns: dict[str, Any] = {"customer_id": ["a", "b"], "consent_personalisation": [1, 0]}
    good = conform(
        Table.CUSTOMERS, pa.table(columns | {"consent_training": ["true", "FALSE"]}), source="c", now=NOW
    )
    assert good["consent_training"].to_pylist() == [True, False]
    assert good["consent_personalisation"].to_pylist() == [True, False]
    for values, row in ((["true", "maybe"], 2), ([True, None], 2), ([1, 7], 2)):
        assert fails(Table.CUSTOMERS, columns | {"consent_training": values}).location.row == row
    assert "the file has: customer_id" in fails(Table.CUSTOMERS, columns).problem


def test_ranks_count_from_one_and_person_keys_are_unique() -> None:
    columns = {
        "customer_id": ["a", "b"],
        "consent_training": [True] * 2,
        "consent_personalisation": [True] * 2,
    }
    assert "below 1" in fails(Table.CUSTOMERS, columns | {"person_rank": [1, 0]}).problem
    error = fails(Table.CUSTOMERS, columns | {"person_key": ["p", "p"]})
    assert "id collision" in error.problem


def test_places_and_opening_hours() -> None:
    good = {
        "store_id": ["s"],
        "latitude": [52.5],
        "longitude": [13.4],
        "opens": ["08:00"],
        "closes": ["24:00"],
    }
    assert conform(Table.STORES, pa.table(good), source="s", now=NOW).num_rows == 1
    for change in (
        {"latitude": [91.0]},
        {"longitude": [float("-inf")]},
        {"opens": ["8am"]},
        {"closes": ["24:01"]},
    ):
        assert fails(Table.STORES, good | change).location.row == 1


def test_stock_rows_are_unique_by_store_and_item() -> None:
    columns = {"store_id": ["s", "s", "t"], "item_id": ["x", "y", "x"], "quantity": [1, 2, 3]}
    assert conform(Table.STOCK, pa.table(columns), source="s", now=NOW).num_rows == 3
    error = fails(Table.STOCK, columns | {"item_id": ["x", "x", "x"]})
    assert error.location.row == 2
    assert "duplicate: row 1" in error.problem


@pytest.mark.parametrize(
    "values",
    [
        [1700000000, 1700000001],
        pa.array([1700000000, 1700000001], pa.int32()),
        ["1700000000", "1700000001"],
        ["2023-11-14T22:13:20", "2023-11-14 22:13:21"],
        ["2023-11-14T22:13:20Z", "2023-11-14T23:13:21+01:00"],
        [datetime(2023, 11, 14, 22, 13, 20), datetime(2023, 11, 14, 22, 13, 21)],
        pa.array([1700000000, 1700000001], pa.timestamp("s", "Asia/Tokyo")),
        pa.array([1700000000_000000001, 1700000001_000000000], pa.timestamp("ns")),
    ],
)
def test_all_ways_to_write_a_time(values: Any) -> None:
    times = interactions(timestamp=values)["timestamp"]
    assert times.type == pa.timestamp("us", "UTC")
    assert [int(time.timestamp()) for time in times.to_pylist()] == [1700000000, 1700000001]


def test_naive_times_are_the_silos_own() -> None:
    data = {"customer_id": ["a", "a"], "item_id": ["x", "x"]}

    def first(values: Any) -> datetime:
        table = conform(
            Table.INTERACTIONS,
            pa.table(data | {"timestamp": values}),
            source="i",
            timezone="Europe/Berlin",
            now=NOW,
        )
        time: datetime = table["timestamp"][0].as_py()
        return time

    assert first(["2024-01-01T00:30:00", "2024-06-01"]) == datetime(2023, 12, 31, 23, 30, tzinfo=UTC)
    assert first([date(2024, 6, 1), date(2024, 6, 2)]) == datetime(2024, 5, 31, 22, tzinfo=UTC)
    # the hour that the clock repeats, and the hour that it skips
    assert first(["2024-10-27T02:30:00", "2024-10-28"]) == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert first(["2024-03-31T02:30:00", "2024-04-01"]) == datetime(2024, 3, 31, 1, tzinfo=UTC)
    assert first(["2024-01-01T00:00:00+02:00", "2024-06-01T00:00Z"]) == datetime(2023, 12, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "row", "problem"),
    [
        (["2024-01-01", "yesterday"], 2, "expected a time"),
        (["2024-01-01", "1700000000"], 2, "expected a time"),
        (["2024-01-01T00:00Z", "2024-13-01T00:00Z"], 2, "expected a time"),
        (["2024-01-01", "2024-01-01T00:00Z"], 2, "mixed time zones"),
        (["2024-01-01T00:00Z", "2024-01-01"], 2, "mixed time zones: this time and row 1"),
        ([NOW, NOW + timedelta(microseconds=1)], 2, "future date (now is 2025-01-01"),
        ([0, 1700000000000], 2, "beyond the year 9999"),
        (pa.array([0, 10**15], pa.timestamp("s")), 2, "out of range"),
        ([NOW, None], 2, "missing value"),
    ],
)
def test_times_that_are_none(values: Any, row: int, problem: str) -> None:
    error = fails_in("timestamp", values)
    assert error.location.row == row
    assert problem in error.problem


def test_an_event_id_is_its_customers_own() -> None:
    alike = pa.table({"customer_id": ["a", "b", "a"], "item_id": ["x"] * 3, "event_id": ["e", "e", "f"]})
    assert conform(Table.INTERACTIONS, alike, source="s").num_rows == 3
    error = fails(
        Table.INTERACTIONS, {"customer_id": ["a", "b", "a"], "item_id": ["x"] * 3, "event_id": ["e"] * 3}
    )
    assert error.location.row == 3
    assert "duplicate: row 1 has the same customer_id and event_id" in error.problem


def test_times_just_now_are_not_in_the_future() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert interactions(timestamp=[NOW, east])["timestamp"].to_pylist() == [NOW, NOW]


def test_collisions_name_both_rows() -> None:
    error = fails(Table.ITEMS, {"item_id": ["x", "y", "x "]})
    assert (error.location.row, error.location.value) == (3, "x ")
    assert "id collision: row 1 has the same item_id ('x')" in error.problem
