"""Whether keys are unique, fast where they are: 64-bit hashes first, the keys themselves only on a tie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.data.duck import connect

FEW = 100_000  # below this, opening DuckDB costs more than it saves
MISSING = -1


def first_repeat(columns: Sequence[pa.ChunkedArray]) -> tuple[int, int] | None:
    """The first row whose key occurred before, with the row where it first did; None if all keys differ.

    A key is one value of each column; keys with a missing value never repeat.
    """
    if len(columns[0]) >= FEW and _all_differ(_hashes(columns)):
        return None
    firsts = _first_rows(key_codes(columns))
    repeats = np.flatnonzero(firsts != np.arange(len(firsts)))
    return (int(firsts[repeats[0]]), int(repeats[0])) if len(repeats) else None


def repeated(columns: Sequence[pa.ChunkedArray]) -> NDArray[np.bool_]:
    """Which rows have a key that occurred before; bool of their number. Keys are as in `first_repeat`."""
    firsts = _first_rows(key_codes(columns))
    return np.asarray(firsts != np.arange(len(firsts)))


def key_codes(columns: Sequence[pa.ChunkedArray]) -> NDArray[np.int64]:
    """A number for each row, the same where keys are the same and only there; MISSING without a value.

    Nothing is joined to a text, in which two keys of several columns could become one.
    """
    codes = _column_codes(columns[0])
    for column in columns[1:]:
        more = _column_codes(column)
        pairs = codes * (int(more.max(initial=0)) + 1) + more
        pairs[(codes == MISSING) | (more == MISSING)] = MISSING
        codes = _compact(pairs)
    return codes


class Distinct:
    """Whether keys that come in parts all differ: eight bytes are kept of each."""

    def __init__(self) -> None:
        self._hashes = list[NDArray[np.uint64]]()

    def add(self, columns: Sequence[pa.ChunkedArray]) -> None:
        """One more part, a key in each row; missing keys never repeat."""
        self._hashes.append(_hashes(columns))

    def surely(self) -> bool:
        """True if all keys differ; False if two agree, or (next to never) their hashes alone."""
        return _all_differ(np.concatenate([np.zeros(0, np.uint64), *self._hashes]))


def _column_codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.fill_null(MISSING).to_numpy(zero_copy_only=False), np.int64)


def _compact(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same distinctions in numbers below the number of rows, so that products of two fit into 64 bits."""
    kept = codes != MISSING
    compact = np.full(len(codes), MISSING, np.int64)
    compact[kept] = np.unique(codes[kept], return_inverse=True)[1]
    return compact


def _first_rows(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row, the first with its code; itself where the code is MISSING."""
    rows = np.arange(len(codes))
    _, firsts, groups = np.unique(codes, return_index=True, return_inverse=True)
    return np.where(codes == MISSING, rows, firsts[groups])


def _hashes(columns: Sequence[pa.ChunkedArray]) -> NDArray[np.uint64]:
    """Of the keys without a missing value; one hash over all columns, not over their texts joined."""
    table = pa.table({f"key{number}": column for number, column in enumerate(columns)}).drop_null()
    keys = ", ".join(table.column_names)
    with connect() as connection:
        hashed = connection.from_arrow(table).project(f"hash({keys}) as value").to_arrow_table()
    return np.asarray(hashed["value"].to_numpy())


def _all_differ(values: NDArray[np.uint64]) -> bool:
    values = np.sort(values)
    return not np.any(values[1:] == values[:-1])
