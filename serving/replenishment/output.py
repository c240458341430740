"""A list as a Parquet or CSV file: written in parts, there whole or not at all, for its owner's eyes only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq

from recsys.errors import ConfigError

ENDINGS = (".parquet", ".csv")
FORMULA = "^[=+@\t\r-]"


class TableWriter(Protocol):
    """Takes the parts of a table."""

    def write_table(self, table: pa.Table) -> None:
        """The next rows."""
        ...


def check_path(path: Path) -> None:
    """Raise ConfigError unless a list can be written to the path: its ending and its folder."""
    if path.suffix not in ENDINGS:
        raise ConfigError(f"{path}: unknown ending {path.suffix!r}; name it *.parquet or *.csv")
    if not path.parent.is_dir() or path.is_dir():
        what = "is a folder" if path.is_dir() else "its folder does not exist"
        raise ConfigError(f"{path}: {what}; name a file in a folder that is there")


@contextmanager
def whole_file(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """A writer whose file takes its place once all is written; nothing is left of a broken one.

    Raises ConfigError for an unknown ending, or where the file cannot be written.
    """
    check_path(path)
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(number, "wb") as file:
            with _writer(file, path, schema) as writer:
                yield writer
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        Path(name).unlink(missing_ok=True)


def _writer(file: object, path: Path, schema: pa.Schema) -> pq.ParquetWriter | _CsvWriter:
    return pq.ParquetWriter(file, schema) if path.suffix == ".parquet" else _CsvWriter(file, schema)


class _CsvWriter:
    """CSV without cells that a spreadsheet would run as formulas: those begin with an apostrophe.

    Whether a cell gets one is decided by that cell alone: one customer's id stops nobody's list.
    """

    def __init__(self, file: object, schema: pa.Schema) -> None:
        self._writer = csv.CSVWriter(file, schema)

    def write_table(self, table: pa.Table) -> None:
        for place, field in enumerate(table.schema):
            if pa.types.is_string(field.type):
                harmless = pc.replace_substring_regex(table.column(place), FORMULA, r"'\0")
                table = table.set_column(place, field, harmless)
        self._writer.write_table(table)

    def __enter__(self) -> _CsvWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path}: cannot be written ({error.strerror or error}); check the folder's rights and space"
    )
