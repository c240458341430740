"""A big silo is read in parts: the same rows, the same errors, less memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import DataContractError
from recsys.silos import parts
from recsys.silos.check import read_checked, read_for_training
from recsys.silos.files import FileSilo
from recsys.silos.online import Event, OnlineEventStore, with_online

WriteSilo = Callable[..., Path]
ROWS = 6000  # DuckDB's own batches have 2,048 rows
FIRST = datetime(2024, 5, 1, 9, tzinfo=UTC)
CATALOGUE = Catalogue.from_table(pa.table({"item_id": ["milk", "bread", "tea"]}))


@pytest.fixture
def silo(write_silo: WriteSilo, now: datetime, monkeypatch: pytest.MonkeyPatch) -> FileSilo:
    monkeypatch.setattr(parts, "ROWS", 2048)
    return FileSilo("north", write_silo("parquet", {"interactions": many()}), now=now)


def many(**changes: dict[int, Any]) -> dict[str, list[Any]]:
    """Columns of ROWS good rows, some values replaced."""
    columns: dict[str, list[Any]] = {
        "event_id": [f" e{row}" for row in range(ROWS)],
        "customer_id": ["c1" if row % 3 else "c2" for row in range(ROWS)],
        "item_id": ["milk" if row % 2 else "bread" for row in range(ROWS)],
        "quantity": [1.0 + row % 4 for row in range(ROWS)],
        "timestamp": [FIRST + timedelta(minutes=row) for row in range(ROWS)],
        "store_id": [None if row % 5 else "s1" for row in range(ROWS)],
    }
    for column, values in changes.items():
        for row, value in values.items():
            columns.setdefault(column, [None] * ROWS)[row] = value
    return columns


def rewrite(silo: FileSilo, **changes: dict[int, Any]) -> None:
    pq.write_table(pa.table(many(**changes)), silo.folder / "interactions.parquet")


def test_parts_are_the_rows_of_the_whole_in_order(silo: FileSilo) -> None:
    found = list(silo.scan())
    assert len(found) > 1
    assert pa.concat_tables(found).equals(silo.read(Table.INTERACTIONS))


def test_training_reads_the_same_from_parts_as_from_the_whole(silo: FileSilo) -> None:
    whole, narrow = read_checked(silo).interactions, read_for_training(silo, CATALOGUE).interactions
    for column in ("customer_id", "item_id", "event"):
        assert pa.types.is_dictionary(narrow[column].type)
        assert narrow[column].cast(pa.string()).to_pylist() == whole[column].to_pylist()
    for column in ("quantity", "timestamp", "order_no"):
        assert narrow[column].to_pylist() == whole[column].to_pylist()


@pytest.mark.parametrize(
    ("column", "row", "value", "problem"),
    [
        ("event_id", 5000, "e17", "duplicate: row 18 has the same customer_id and event_id"),
        ("event_id", 19, "e17 ", "duplicate: row 18 has the same customer_id and event_id"),
        ("quantity", 4999, -1.0, "negative"),
        ("timestamp", 5999, datetime(2031, 1, 1, tzinfo=UTC), "future date"),
        ("timestamp", 4200, None, "missing value"),
        ("order_no", 3, 7, "missing value"),
        ("customer_id", 4097, "c9", "unknown customer: not in the customers table"),
        ("item_id", 4097, "salt", "unknown item: not in the items table"),
        ("store_id", 4097, "s9", "unknown store: not in the stores table"),
    ],
)
def test_a_breach_in_any_part_is_named_to_the_operator_and_set_aside_for_training(
    silo: FileSilo, column: str, row: int, value: Any, problem: str
) -> None:
    sound = read_for_training(silo, CATALOGUE).interactions
    rewrite(silo, **{column: {row: value}})
    with pytest.raises(DataContractError, match=problem):
        read_checked(silo, CATALOGUE)
    rows = read_for_training(silo, CATALOGUE).interactions
    if column in ("order_no", "store_id"):  # the silo's order is that of times; where it was, nobody knows
        assert rows.drop_columns(["order_no"]).equals(sound.drop_columns(["order_no"]))
    else:
        assert rows.equals(pa.concat_tables([sound.slice(0, row), sound.slice(row + 1)]))


def test_a_gap_that_falls_between_parts_is_found(silo: FileSilo) -> None:
    rewrite(silo, order_no={row: row for row in range(4096)})
    with pytest.raises(DataContractError, match="missing value"):
        read_checked(silo, CATALOGUE)
    ordered = replace(silo, declared_ordering=Ordering.ORDER_NUMBER)
    assert read_for_training(ordered, CATALOGUE).interactions.num_rows == 4096
    assert read_for_training(silo, CATALOGUE).interactions.num_rows == ROWS


def test_a_declared_order_is_required_in_parts(silo: FileSilo) -> None:
    declared = replace(silo, declared_ordering=Ordering.ORDER_NUMBER)
    with pytest.raises(DataContractError, match="no values, but the silo's ordering is 'order_number'"):
        read_for_training(declared, CATALOGUE)


def test_ids_that_only_seem_to_repeat_pass(silo: FileSilo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.Distinct, "surely", lambda _: False)
    assert read_for_training(silo, CATALOGUE).interactions.num_rows == ROWS


def test_text_times_and_csv_are_read_whole(silo: FileSilo, write_silo: WriteSilo, now: datetime) -> None:
    texts = many() | {"timestamp": [time.isoformat() for time in many()["timestamp"]]}
    write_silo("parquet", {"interactions": texts})
    assert len(list(silo.scan())) == 1
    (silo.folder / "interactions.parquet").write_bytes(b"")
    with pytest.raises(DataContractError, match="empty file"):
        read_for_training(silo, CATALOGUE)
    assert not parts.worth_parting(silo.folder / "interactions.parquet")
    assert not parts.worth_parting(silo.folder / "interactions.csv")


def test_online_rows_are_the_last_part_once(silo: FileSilo, tmp_path: Path) -> None:
    store = OnlineEventStore(tmp_path / "online.sqlite")
    time = FIRST + timedelta(days=30)
    store.append(
        [Event(name, "c2", "milk", "purchase", 1.0, time) for name in ("new", "e0", "e5997", "e5999")]
    )
    merged = with_online(silo, store)
    rows = read_for_training(merged, CATALOGUE).interactions
    assert rows.num_rows == ROWS + 2  # e5999 is c1's
    assert rows["timestamp"][-1].as_py() == time
    assert rows["customer_id"].cast(pa.string()).equals(merged.read(Table.INTERACTIONS)["customer_id"])
    store.close()
