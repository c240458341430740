"""A line of a CSV file of customers' rows is read by itself: nothing in it reaches into another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.data.contracts import Table
from recsys.errors import DataContractError
from recsys.silos import lines
from recsys.silos.files import FileSilo
from recsys.silos.raw import read_raw
from recsys.silos.rows import sift_raw

NAMES = ("a", "b", "c")
SOUND = ("1,2,3", '"x,y","say ""no""",', ' "q" ,  w ,', ",,", "é,\\,'", "1,2,3,", '"",NULL,# no')
BROKEN = ('"', '1,"2,3', "1,2", "1,2,3,4", '1,x"y,3', '"x"y,2,3', "a\0b,2,3", "  ")


def written(folder: Path, body: bytes, header: bytes = b"a,b,c\n") -> Path:
    path = folder / "rows.csv"
    path.write_bytes(header + body)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_read_as_the_file_is_where_all_are_sound(tmp_path: Path, end: str) -> None:
    body = end.join(line for line in SOUND if end == "\n" or '"' not in line[-2:])
    path = written(tmp_path, body.encode(), f"a,b,c{end}".encode())
    whole = read_raw(path, NAMES, by_line=True)
    assert whole.num_rows >= 6
    assert sift_raw(path, NAMES).to_pylist() == whole.to_pylist()


@pytest.mark.parametrize("broken", [*(line.encode() for line in BROKEN), b"\xff,2,3", b"a\rb,2,3"])
@pytest.mark.parametrize("chunk", [lines.CHUNK_BYTES, 7])
def test_a_broken_line_takes_no_other_with_it(
    tmp_path: Path, broken: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "CHUNK_BYTES", chunk)
    sound = "\n".join(SOUND).encode() + b"\n"
    expected = sift_raw(written(tmp_path, sound + sound), NAMES).to_pylist()
    path = written(tmp_path, sound + broken + b"\n" + sound)
    assert sift_raw(path, NAMES).to_pylist() == expected
    with pytest.raises(DataContractError) as caught:
        read_raw(path, NAMES, by_line=True)
    assert caught.value.location.file == str(path)


def test_a_value_over_two_lines_is_named_with_its_row(tmp_path: Path) -> None:
    path = written(tmp_path, b'1,2,3\n4,"5\n6",7\n')
    assert read_raw(path, NAMES).num_rows == 2
    with pytest.raises(DataContractError, match="broken row: a line break") as caught:
        read_raw(path, NAMES, by_line=True)
    assert caught.value.location.row == 2


def test_lines_agree_with_the_whole_whatever_stands_in_them(tmp_path: Path) -> None:
    """Random files: where both ways read a file, they read the same."""
    r, agreed = np.random.default_rng(5), 0
    cells = [
        "",
        "a",
        '"x"',
        '"x,y"',
        '""',
        '"a""b"',
        ' "a" ',
        "  b ",
        "'",
        "\\",
        "é",
        "\x1f",
        "\u2028",
        "NULL",
    ]
    for _ in range(25):
        rows = [",".join(r.choice(cells, 3)) for _ in range(int(r.integers(1, 9)))]
        path = written(tmp_path, "\n".join(rows).encode() + b"\n" * int(r.integers(2)))
        whole = read_raw(path, NAMES, by_line=True)
        agreed += whole.num_rows
        assert sift_raw(path, NAMES).to_pylist() == whole.to_pylist(), rows
    assert agreed > 50


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_time_of_parquet_beyond_all_time_takes_its_own_row_alone(tmp_path: Path, zone: str | None) -> None:
    path = tmp_path / "interactions.parquet"
    times = pa.array([0, 2**62, 86_400_000], pa.int64()).cast(pa.timestamp("ms", tz=zone))
    pq.write_table(pa.table({"customer_id": list("abc"), "item_id": list("xyz"), "timestamp": times}), path)
    silo = FileSilo("north", tmp_path)
    with pytest.raises(DataContractError):
        silo.read(Table.INTERACTIONS)
    found = silo.sift(Table.INTERACTIONS)
    assert found["customer_id"].to_pylist() == ["a", "c"]
    assert found["timestamp"].cast(pa.int64()).to_pylist() == [0, 86_400_000_000]


def test_a_text_of_parquet_that_is_none_takes_its_own_row_alone(tmp_path: Path) -> None:
    texts = pa.array([b"x", b"\xff\xfe", None, b"z"], pa.binary())
    kept = pa.StringArray.from_buffers(4, texts.buffers()[1], texts.buffers()[2], texts.buffers()[0])
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": kept, "b": [1, 2, 3, 4], "c": pa.array(["k"] * 4)}), path)
    with pytest.raises(DataContractError):
        read_raw(path, NAMES)
    found = sift_raw(path, NAMES)
    assert found.column_names == ["a", "b", "c"]
    assert found["a"].to_pylist() == ["x", None, "z"]
    assert found["b"].to_pylist() == [1, 3, 4]
