"""Where a table came from, and how to say which of its rows breaks the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from recsys.errors import DataContractError, Location

SOURCE_KEY = b"source"


@dataclass(frozen=True)
class Source:
    """A table as read, before any cast: errors quote its values (in the silo's own output only).

    file: shown in errors; data: the raw table; row numbers in errors are 1-based without the header
    """

    file: str
    data: pa.Table

    def error(
        self, problem: str, remedy: str, *, column: str | None = None, row: int | None = None
    ) -> DataContractError:
        """The error for a 0-based row (or a whole column, or file), quoting the raw value."""
        value = None
        if row is not None and column in self.data.column_names:
            value = quote(self.data[column][row])
        number = None if row is None else row + 1
        return DataContractError(Location(self.file, number, column, value), problem, remedy)


def quote(value: pa.Scalar) -> str:
    """A value as text, also where Python has no such value (a time beyond the year 9999)."""
    try:
        return str(value.as_py())
    except (OverflowError, ValueError):
        return str(value.cast(pa.int32() if pt.is_date32(value.type) else pa.int64()).as_py())


def named(table: pa.Table, file: str) -> pa.Table:
    """The table with its origin noted in the schema's metadata."""
    return table.replace_schema_metadata({SOURCE_KEY: file.encode()})


def source_of(table: pa.Table) -> Source:
    """The table with the origin that `named` noted."""
    file: bytes = (table.schema.metadata or {}).get(SOURCE_KEY, b"table")
    return Source(file.decode(), table)


def first_failing(values: pa.ChunkedArray, convert: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> int:
    """The first row that `convert` cannot convert, by bisection; the column as a whole must fail."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(values.slice(low, middle - low))
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low
