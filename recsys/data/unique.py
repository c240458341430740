"""Whether keys are unique, fast where they are: 64-bit hashes first, the keys themselves only on a tie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.duck import connect

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


class Distinct:
    """Whether single-column keys that come in parts all differ: eight bytes are kept of each."""

    def __init__(self) -> None:
        self._hashes = list[NDArray[np.uint64]]()

    def add(self, keys: pa.ChunkedArray) -> None:
        """One more part; missing keys never repeat."""
        self._hashes.append(_hashes(keys.drop_null()))

    def surely(self) -> bool:
        """True if all keys differ; False if two agree, or (next to never) their hashes alone."""
        return _all_differ(np.concatenate([np.zeros(0, np.uint64), *self._hashes]))


def _surely_differ(keys: pa.ChunkedArray) -> bool:
    if len(keys) < FEW:
        return bool(pc.count_distinct(keys).as_py() == len(keys))
    return _all_differ(_hashes(keys))


def _hashes(keys: pa.ChunkedArray) -> NDArray[np.uint64]:
    with connect() as connection:
        hashed = connection.from_arrow(pa.table({"key": keys})).project("hash(key) as value").to_arrow_table()
    return np.asarray(hashed["value"].to_numpy())


def _all_differ(values: NDArray[np.uint64]) -> bool:
    values = np.sort(values)
    return not np.any(values[1:] == values[:-1])
