"""A row of a Parquet file is read alike, whichever library a broken one beside it makes read the file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.data.contracts import Table
from recsys.silos.files import FileSilo

SOUND = [0, 1_700_000_000, 1_717_164_000, -1, 20_000_000_000, -(10**11)]
"""Seconds; the last two break the contract."""
FOREVER = 2**62
PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}


def sifted(folder: Path, times: pa.Array, *, int96: bool = False) -> list[tuple[str, int]]:
    ids = [f"c{row}" for row in range(len(times))]
    rows = pa.table({"customer_id": ids, "item_id": ["x"] * len(times), "timestamp": times})
    path = folder / "interactions.parquet"
    plain: dict[str, Any] = {"use_dictionary": False, "compression": "none", "write_statistics": False}
    pq.write_table(rows, path, use_deprecated_int96_timestamps=int96, **plain)
    return _read(folder)


def _read(folder: Path) -> list[tuple[str, int]]:
    kept = FileSilo("north", folder, timezone="Europe/Zagreb").sift(Table.INTERACTIONS)
    times = kept["timestamp"].cast(pa.int64())
    return list(zip(kept["customer_id"].to_pylist(), times.to_pylist(), strict=True))


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_are_the_same_beside_one_that_duckdb_refuses(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    kind, factor = pa.timestamp(unit, tz=zone), PER_SECOND[unit]
    sound = [second * factor for second in SOUND if abs(second * factor) < 2**63]
    alone = sifted(tmp_path, pa.array(sound, pa.int64()).cast(kind))
    assert [customer for customer, _ in alone] == ["c0", "c1", "c2", "c3"]
    for far in (FOREVER, -FOREVER, 2**63 - 1, -(2**63) + 1):
        beside = sifted(tmp_path, pa.array([*sound, far], pa.int64()).cast(kind))
        assert [row for row in beside if row[0] != f"c{len(sound)}"] == alone


@pytest.mark.parametrize("days", [2**31 - 1, -(2**31)])
def test_dates_are_the_same_beside_one_beyond_all_calendars(tmp_path: Path, days: int) -> None:
    sound = [0, 19_000, 400_000, -300_000]
    alone = sifted(tmp_path, pa.array(sound, pa.int32()).cast(pa.date32()))
    assert len(alone) == 2
    assert sifted(tmp_path, pa.array([*sound, days], pa.int32()).cast(pa.date32())) == alone


def test_old_timestamps_are_the_same_beside_any_bytes(tmp_path: Path) -> None:
    """INT96 has room for days that are none; DuckDB reads all of them, so that nothing else ever has to."""
    times = pa.array([second * 10**6 for second in SOUND], pa.int64()).cast(pa.timestamp("us"))
    alone = sifted(tmp_path, times, int96=True)
    path = tmp_path / "interactions.parquet"
    sound, first = path.read_bytes(), struct.pack("<qi", 0, 2_440_588)
    assert (len(alone), sound.count(first)) == (4, 1)
    for day in (2**31 - 1, -(2**31), 0, 10**9, -1):
        for nanoseconds in (0, 2**63 - 1, -(2**63)):
            path.write_bytes(sound.replace(first, struct.pack("<qi", nanoseconds, day)))
            assert [row for row in _read(tmp_path) if row[0] != "c0"] == alone[1:]
