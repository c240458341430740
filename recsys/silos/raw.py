"""Parquet and CSV files as raw Arrow tables through DuckDB; damaged files are named, with row and byte."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.data.duck import connect
from recsys.errors import DataContractError, Location
from recsys.silos.lines import LineFile

CHUNK_BYTES = 1 << 22
DELIMITERS = ",;\t|"
PARQUET_MAGIC = b"PAR1"


def read_raw(path: Path, columns: Sequence[str], *, by_line: bool = False) -> pa.Table:
    """The named columns that the file has, in file order of rows; CSV values as text, empty ones as null.

    by_line: each row of a CSV file has to stand in a line of its own, so that no row reaches into another.
    """
    rows = _query(path, _selection(path, columns))
    broken = lines_of(path).first_broken() if by_line and path.suffix == ".csv" else None
    if broken is not None:
        raise DataContractError(
            Location(str(path), broken),
            "broken row: a line break or a zero byte in a value, or a quote amid one",
            "write each row in a line of its own, values with quotes in double quotes",
        )
    return rows


def lines_of(path: Path) -> LineFile:
    """A CSV file as lines, as its header says."""
    names, delimiter = _header(path)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline()
    return LineFile(path, names, delimiter, b"\r" if line.endswith("\r") else b"\n")


def scan_raw(path: Path, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """What `read_raw` reads, in parts of at least so many rows; only one part is in memory."""
    sql, parameters = _selection(path, columns), {"path": str(path)}
    with connect() as connection:
        try:
            reader = connection.sql(sql, params=parameters).to_arrow_reader(rows)
            part, held = list[pa.RecordBatch](), 0
            for batch in reader:
                part.append(batch)
                held += batch.num_rows
                if held >= rows:
                    yield pa.Table.from_batches(part)
                    part, held = [], 0
            if part:
                yield pa.Table.from_batches(part)
        except (duckdb.Error, pa.ArrowException) as error:
            raise damaged(path, str(error)) from None


def _selection(path: Path, columns: Sequence[str]) -> str:
    present = ", ".join(map(_quoted, present_columns(path, columns)))
    return f"select {present} from {_relation(path)}"  # noqa: S608


def present_columns(path: Path, columns: Sequence[str]) -> list[str]:
    """Those of the named columns that the file has; DataContractError if it has none."""
    present = [name for name in column_names(path) if name in columns]
    if not present:
        names = ", ".join(columns)
        raise DataContractError(Location(str(path)), "missing column: no known one", f"use the names {names}")
    return present


def column_names(path: Path) -> list[str]:
    """The column names of a Parquet or CSV file; DataContractError if it is empty or damaged."""
    if path.stat().st_size == 0:
        raise DataContractError(Location(str(path)), "empty file: 0 bytes", "export the table again")
    if path.suffix == ".csv":
        return _header(path)[0]
    _require_whole_parquet(path)
    try:
        names: list[str] = pq.read_schema(path).names
    except pa.ArrowException as error:
        raise damaged(path, str(error)) from None
    return names


def _relation(path: Path) -> str:
    if path.suffix != ".csv":
        return "read_parquet($path)"
    _require_utf8(path)
    names, delimiter = _header(path)
    types = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv($path, auto_detect=false, header=false, skip=1, delim={_literal(delimiter)}, "
        f"quote='\"', escape='\"', columns={{{types}}})"
    )


def _query(path: Path, sql: str) -> pa.Table:
    parameters: dict[str, Any] = {"path": str(path)}
    with connect() as connection:
        try:
            return connection.sql(sql, params=parameters).to_arrow_table()
        except duckdb.Error as error:
            raise damaged(path, str(error)) from None


def damaged(path: Path, message: str) -> DataContractError:
    """The error for a file that DuckDB or Arrow could not read, and why."""
    first = message.splitlines()[0]
    line = re.search(r"CSV Error on Line: (\d+)", message)
    if line is None:
        return DataContractError(Location(str(path)), f"damaged file: {first}", "export the table again")
    expected = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    problem = f"{expected[2]} values instead of {expected[1]}" if expected else first
    remedy = "put values that contain the delimiter or a quote in double quotes"
    return DataContractError(Location(str(path), int(line[1]) - 1), f"broken row: {problem}", remedy)


def _require_whole_parquet(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(max(0, path.stat().st_size - 4))
        end = file.read(4)
    if start != PARQUET_MAGIC:
        raise DataContractError(Location(str(path)), "not a Parquet file", "export the table again")
    if end != PARQUET_MAGIC:
        raise DataContractError(
            Location(str(path)), "truncated Parquet file: its end is missing", "copy or export it again"
        )


def _require_utf8(path: Path) -> None:
    decoder, start, line = codecs.getincrementaldecoder("utf-8")(), 0, 1
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _not_utf8(
                    path, start - pending + error.start, line, chunk[: max(0, error.start - pending)]
                ) from None
            start, line = start + len(chunk), line + chunk.count(b"\n")
    if decoder.getstate()[0]:
        raise _not_utf8(path, start - 1, line, b"")


def _not_utf8(path: Path, byte: int, line: int, before: bytes) -> DataContractError:
    row = line + before.count(b"\n") - 1
    with path.open("rb") as file:
        file.seek(byte)
        value = file.read(1)
    return DataContractError(
        Location(str(path), row or None, value=f"0x{value.hex()}"),
        f"broken encoding: byte {byte} is not UTF-8",
        "save the file as UTF-8",
    )


def _header(path: Path) -> tuple[list[str], str]:
    """The column names and the delimiter, the one of `DELIMITERS` that the first line has most of."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline()
    delimiter = max(DELIMITERS, key=line.count)
    names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataContractError(
            Location(str(path), column=repeated), "column occurs twice", "rename or remove one"
        )
    return names, delimiter


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
