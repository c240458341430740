"""A small good silo as files, which tests break one value at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from recsys.silos.files import FileSilo

NOW = datetime(2025, 1, 1, tzinfo=UTC)

GOOD: dict[str, dict[str, list[Any]]] = {
    "interactions": {
        "event_id": ["e1", "e2", "e3"],
        "customer_id": ["c1", "c2", "c1"],
        "item_id": ["milk", "bread", "milk"],
        "quantity": [1.0, 2.0, 1.0],
        "timestamp": ["2024-05-01T09:00:00Z", "2024-05-02T09:00:00Z", "2024-05-03T09:00:00Z"],
        "store_id": ["s1", "s1", None],
    },
    "items": {"item_id": ["milk", "bread"], "title": ["Milk, fresh", "Bread"]},
    "customers": {
        "customer_id": ["c1", "c2"],
        "consent_training": [True, False],
        "consent_personalisation": [True, True],
    },
    "stores": {"store_id": ["s1"], "name": ["Main Street"]},
    "stock": {"store_id": ["s1"], "item_id": ["milk"], "quantity": [5.0]},
}

WriteSilo = Callable[..., Path]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(params=["parquet", "csv"])
def ending(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def write_silo(tmp_path: Path) -> WriteSilo:
    """write_silo('csv', {'items': {'title': None}}): the good silo, some columns replaced or left out."""

    def write(ending: str = "parquet", changes: dict[str, dict[str, list[Any] | None]] | None = None) -> Path:
        for name, good in GOOD.items():
            columns = {
                key: value
                for key, value in (good | (changes or {}).get(name, {})).items()
                if value is not None
            }
            table = pa.table(columns)
            if ending == "csv":
                pyarrow.csv.write_csv(table, tmp_path / f"{name}.csv")
            else:
                pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
        return tmp_path

    return write


@pytest.fixture
def silo(write_silo: WriteSilo, ending: str) -> FileSilo:
    return FileSilo("north", write_silo(ending), now=NOW)
