"""Whether keys are unique, fast where they are: 64-bit hashes first, the keys themselves only on a tie."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SEPARATOR = "\x1f"
FEW = 100_000  # below this, opening DuckDB costs more than it saves


def first_repeat(columns: Sequence[pa.ChunkedArray]) -> tuple[int, int] | None:
    """The first row whose key occurred before, with the row where it first did; None if all keys differ.

    A key is one value of each column; keys with a missing value never repeat.
    """
    keys = columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, SEPARATOR)
    if _surely_differ(keys.drop_null()):
        return None
    codes = keys.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    _, firsts, groups = np.unique(codes, return_index=True, return_inverse=True)
    first_rows = firsts[groups]
    repeats = np.flatnonzero((first_rows != np.arange(len(codes))) & (codes >= 0))
    return (int(first_rows[repeats[0]]), int(repeats[0])) if len(repeats) else None


def _surely_differ(keys: pa.ChunkedArray) -> bool:
    if len(keys) < FEW:
        return bool(pc.count_distinct(keys).as_py() == len(keys))
    with duckdb.connect() as connection:
        hashed = connection.from_arrow(pa.table({"key": keys})).project("hash(key) as value").to_arrow_table()
    values = np.sort(hashed["value"].to_numpy())
    return not np.any(values[1:] == values[:-1])
