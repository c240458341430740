from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from recsys.data.contracts import CONTRACTS, Table
from recsys.data.history import Ordering
from recsys.errors import ConfigError, DataContractError, OrderingError
from recsys.silos.base import Silo
from recsys.silos.files import FileSilo, read_catalogue

WriteSilo = Callable[..., Path]


def test_every_table_meets_the_contract(silo: FileSilo) -> None:
    assert isinstance(silo, Silo)
    for table in Table:
        assert silo.read(table).schema.equals(CONTRACTS[table].schema)
    assert silo.read(Table.ITEMS)["title"].to_pylist() == ["Milk, fresh", "Bread"]
    assert silo.read(Table.CUSTOMERS)["consent_training"].to_pylist() == [True, False]
    rows = silo.read(Table.INTERACTIONS)
    assert rows["store_id"].to_pylist() == ["s1", "s1", None]
    assert rows["timestamp"][0].as_py() == datetime(2024, 5, 1, 9, tzinfo=UTC)


def test_optional_tables_may_be_absent(silo: FileSilo) -> None:
    for path in silo.folder.glob("sto*"):
        path.unlink()
    assert silo.read(Table.STORES).num_rows == silo.read(Table.STOCK).num_rows == 0
    next(silo.folder.glob("customers.*")).unlink()
    with pytest.raises(
        DataContractError, match=r"customers.parquet: no such file.*export the customers table"
    ):
        silo.read(Table.CUSTOMERS)


def test_reading_since_a_time(silo: FileSilo) -> None:
    since = datetime(2024, 5, 2, 9, tzinfo=UTC)
    assert silo.read(Table.INTERACTIONS, since)["event_id"].to_pylist() == ["e2", "e3"]
    assert silo.read(Table.ITEMS, since).num_rows == 2
    with pytest.raises(ConfigError, match="no time zone"):
        silo.read(Table.INTERACTIONS, datetime(2024, 5, 2))


def test_ordering_is_found_from_the_columns(write_silo: WriteSilo, ending: str, now: datetime) -> None:
    def silo(**changes: list[object] | None) -> FileSilo:
        return FileSilo(
            "north", write_silo(ending, {"interactions": {"timestamp": None, **changes}}), now=now
        )

    assert silo(timestamp=["2024-05-01"] * 3).ordering is Ordering.TIMESTAMP
    assert silo(order_no=[1, 2, 3]).ordering is Ordering.ORDER_NUMBER
    for nobodys in (["2024-05-01", None, None], [None] * 3):  # what customers have in a column tells nothing
        unfilled = silo(order_no=[1, 2, 3], timestamp=nobodys)
        assert unfilled.ordering is Ordering.TIMESTAMP
        with pytest.raises(DataContractError, match=r"no values, but the silo's ordering|missing value"):
            unfilled.read(Table.INTERACTIONS)
    numbered = replace(unfilled, declared_ordering=Ordering.ORDER_NUMBER)
    assert numbered.read(Table.INTERACTIONS).num_rows == 3
    unordered = silo()
    assert unordered.ordering is Ordering.NONE
    with pytest.raises(OrderingError, match="without timestamps"):
        unordered.read(Table.INTERACTIONS, now)
    declared = replace(unordered, declared_ordering=Ordering.TIMESTAMP)
    assert declared.ordering is Ordering.TIMESTAMP
    with pytest.raises(DataContractError, match="no values, but the silo's ordering is 'timestamp'"):
        declared.read(Table.INTERACTIONS)
    assert replace(unordered, declared_ordering=Ordering.NONE).read(Table.INTERACTIONS).num_rows == 3


@pytest.mark.parametrize(
    ("zone", "hours"), [("UTC", 0), ("Europe/Berlin", 1), ("America/New_York", -5), ("Australia/Sydney", 10)]
)
def test_the_shop_day_is_standard_time(tmp_path: Path, zone: str, hours: int) -> None:
    assert FileSilo("x", tmp_path, timezone=zone).utc_offset_seconds == hours * 3600


def test_naive_times_are_in_the_silos_zone(write_silo: WriteSilo, ending: str, now: datetime) -> None:
    folder = write_silo(ending, {"interactions": {"timestamp": ["2024-05-01 00:30:00"] * 3}})
    rows = FileSilo("north", folder, timezone="Europe/Berlin", now=now).read(Table.INTERACTIONS)
    assert rows["timestamp"][0].as_py() == datetime(2024, 4, 30, 22, 30, tzinfo=UTC)


def test_two_files_for_one_table(write_silo: WriteSilo, now: datetime) -> None:
    write_silo("csv")
    silo = FileSilo("north", write_silo("parquet"), now=now)
    with pytest.raises(DataContractError, match=r"items.csv: items.parquet is there too; remove one"):
        silo.read(Table.ITEMS)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    lines = [["item_id", "title", "note"], ["1", f'"a{delimiter} ""b""\nc"', "x"], ["02", "", "y"]]
    text = "\ufeff" + "\r\n".join(delimiter.join(line) for line in lines) + "\r\n"
    (tmp_path / "items.csv").write_bytes(text.encode())
    rows = FileSilo("x", tmp_path).read(Table.ITEMS)
    assert rows["item_id"].to_pylist() == ["1", "02"]
    assert rows["title"].to_pylist() == [f'a{delimiter} "b"\nc', None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item_id,title\na,b\nc,d,e\n", r"row 2: broken row: 3 values instead of 2"),
        ("item_id,title\na\n", r"row 1: broken row: 1 values instead of 2"),
        ("item_id,item_id\na,b\n", r"column 'item_id': column occurs twice"),
        ("sku,name\na,b\n", r"missing column: no known one"),
        ('item_id,title\na,"b\n', r"items.csv"),
    ],
)
def test_csv_files_that_are_none(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "items.csv").write_text(content)
    with pytest.raises(DataContractError, match=message) as caught:
        FileSilo("x", tmp_path).read(Table.ITEMS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(b"hello world", "not a Parquet file"), (b"PAR1xxxxPAR1", "damaged")]
)
def test_parquet_files_that_are_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "items.parquet").write_bytes(content)
    with pytest.raises(DataContractError, match=message):
        FileSilo("x", tmp_path).read(Table.ITEMS)


def test_broken_encoding_far_into_a_file(tmp_path: Path) -> None:
    good = "item_id,title\n" + "".join(f"i{n},Käse\n" for n in range(600_000))
    content = good.encode()[:-1] + "ü".encode("latin-1") + b"\n"
    (tmp_path / "items.csv").write_bytes(content)
    with pytest.raises(DataContractError) as caught:
        FileSilo("x", tmp_path).read(Table.ITEMS)
    assert caught.value.location.row == 600_000
    assert caught.value.location.value == "0xfc"
    assert f"byte {len(content) - 2} is not UTF-8" in caught.value.problem


def test_a_file_cut_within_a_character(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(b"item_id\na\n" + "ü".encode()[:1])
    with pytest.raises(DataContractError, match="row 2, value '0xc3': broken encoding: byte 10"):
        FileSilo("x", tmp_path).read(Table.ITEMS)


def test_the_public_catalogue(silo: FileSilo, ending: str, tmp_path: Path) -> None:
    assert read_catalogue(silo.folder / f"items.{ending}").item_ids == ("bread", "milk")
    with pytest.raises(ConfigError, match="no such catalogue"):
        read_catalogue(tmp_path / "none.parquet")


def test_columns_outside_the_contract_are_not_read(write_silo: WriteSilo, ending: str, now: datetime) -> None:
    folder = write_silo(ending, {"customers": {"name": ["Ann", "Bob"]}})
    rows: pa.Table = FileSilo("north", folder, now=now).read(Table.CUSTOMERS)
    assert "name" not in rows.column_names
