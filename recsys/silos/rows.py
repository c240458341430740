"""Files of customers' rows as raw Arrow tables, without the rows that cannot be read at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from recsys.data.judges import converted_each
from recsys.errors import DataContractError
from recsys.silos.raw import damaged, lines_of, present_columns, read_raw


def sift_raw(path: Path, columns: Sequence[str]) -> pa.Table:
    """What `read_raw` reads by line, without the rows that cannot be read and whatever is wrong with them.

    Raises DataContractError for a file that as a whole cannot be read.

    Guarantee: unit one customer, relation add or remove one: whether a row comes, and what is in it, depends
    on its own bytes and on the file's header or schema alone.
    """
    present = present_columns(path, columns)
    if path.suffix == ".csv":
        return lines_of(path).read(present)
    try:
        return read_raw(path, columns)
    except DataContractError:
        return _by_column(path, present)


def _by_column(path: Path, columns: Sequence[str]) -> pa.Table:
    """DuckDB refuses a column for one text that is not UTF-8, or one time beyond its own; Arrow does not."""
    read = {name: _column(path, name) for name in columns}
    rows = len(next(iter(read.values())))
    sound = pa.array(np.ones(rows, np.bool_))
    for name, values in read.items():
        if not _is_text(values.type):
            continue
        read[name] = converted_each(_bytes(values), lambda piece: piece.cast(pa.string()))
        sound = pc.and_(sound, pc.equal(pc.is_null(values), pc.is_null(read[name])))
    return pa.table(read).filter(sound)


def _column(path: Path, name: str) -> pa.ChunkedArray:
    try:
        return read_raw(path, [name])[name]
    except DataContractError:
        try:
            return pq.read_table(path, columns=[name])[name]
        except (OSError, pa.ArrowException) as error:
            raise damaged(path, str(error)) from None


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _bytes(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = texts.type
    return texts.cast(kind.value_type if pt.is_dictionary(kind) else kind).cast(pa.binary())
