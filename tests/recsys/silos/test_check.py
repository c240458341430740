from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import DataContractError
from recsys.silos.check import check_silo, read_checked
from recsys.silos.files import FileSilo

WriteSilo = Callable[..., Path]


def test_a_good_silo_is_reported(silo: FileSilo) -> None:
    report = check_silo(silo)
    assert report.name == "north"
    assert report.rows == {"interactions": 3, "items": 2, "customers": 2, "stores": 1, "stock": 1}
    assert report.consenting == {"training": 1, "personalisation": 2}
    assert (report.first, report.last) == (
        datetime(2024, 5, 1, 9, tzinfo=UTC),
        datetime(2024, 5, 3, 9, tzinfo=UTC),
    )
    answer = report.to_json()
    assert answer["ordering"] == "timestamp"
    assert answer["first"] == "2024-05-01T09:00:00+00:00"


def test_data_without_order_is_fine(write_silo: WriteSilo, now: datetime) -> None:
    silo = FileSilo("north", write_silo("csv", {"interactions": {"timestamp": None}}), now=now)
    report = check_silo(silo)
    assert report.ordering is Ordering.NONE
    assert report.to_json()["last"] is None


def test_stores_are_checked_only_where_they_are_listed(write_silo: WriteSilo, now: datetime) -> None:
    folder = write_silo("csv", {"interactions": {"store_id": ["s7", None, "s8"]}})
    (folder / "stores.csv").unlink()
    assert read_checked(FileSilo("north", folder, now=now)).stores.num_rows == 0


def test_items_are_held_against_the_public_catalogue(silo: FileSilo, ending: str) -> None:
    both = Catalogue.from_table(pa.table({"item_id": ["milk", "bread", "tea"]}))
    assert read_checked(silo, both).items.num_rows == 2
    one = Catalogue.from_table(pa.table({"item_id": ["milk"]}))
    with pytest.raises(DataContractError, match="unknown item: not in the public catalogue") as caught:
        check_silo(silo, one)
    assert (caught.value.location.row, caught.value.location.value) == (2, "bread")
    assert caught.value.location.file.endswith(f"items.{ending}")


def test_reading_for_training_does_not_depend_on_anybody_consenting(
    write_silo: WriteSilo, now: datetime
) -> None:
    folder = write_silo("parquet", {"customers": {"consent_training": [False, False]}})
    silo = FileSilo("north", folder, now=now)
    assert read_checked(silo).customers.num_rows == silo.read(Table.CUSTOMERS).num_rows == 2
    with pytest.raises(DataContractError, match="no consent"):
        check_silo(silo)
