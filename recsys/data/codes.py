"""Ids as small numbers: a dictionary-encoded column says the same as its text in a fifth of the memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

UNKNOWN = -1


def encoded(values: pa.ChunkedArray, known: pa.Array) -> pa.ChunkedArray:
    """The column over the dictionary `known` (distinct texts); null where a value is missing or not in it."""
    codes = pc.index_in(values, value_set=known)
    chunks = [pa.DictionaryArray.from_arrays(chunk, known) for chunk in codes.chunks]
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), known.type))


def positions(values: pa.ChunkedArray | pa.Array, known: pa.Array) -> NDArray[np.int32]:
    """Where each value is in `known`, text or dictionary-encoded; int32 of its length, UNKNOWN for others."""
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    found = [_positions(chunk, known) for chunk in chunks]
    return np.concatenate([np.zeros(0, np.int32), *found])


def _positions(values: pa.Array, known: pa.Array) -> NDArray[np.int32]:
    if not pt.is_dictionary(values.type):
        return np.asarray(
            pc.index_in(values, value_set=known).fill_null(UNKNOWN).to_numpy(zero_copy_only=False), np.int32
        )
    # One entry more, for missing values: -1 picks the last one.
    among = np.append(_positions(values.dictionary, known), np.int32(UNKNOWN))
    found: NDArray[np.int32] = among[values.indices.fill_null(UNKNOWN).to_numpy(zero_copy_only=False)]
    return found
