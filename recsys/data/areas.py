"""Store areas: which part of a silo's stores an event belongs to, as the public stores table says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.codes import UNKNOWN, positions

ELSEWHERE = ""
"""The silo as a whole: what was bought without a store, or in one whose area nobody declared."""


def area_names(stores: pa.Table) -> tuple[str, ...]:
    """The areas of a checked stores table in order of their codes: `ELSEWHERE` first, the others sorted.

    A function of the stores table alone, which no customer changes.
    """
    named = pc.unique(stores["area"].drop_null()) if "area" in stores.column_names else []
    return (ELSEWHERE, *sorted(str(name) for name in named))


def area_codes(store_ids: pa.ChunkedArray, stores: pa.Table) -> NDArray[np.int16]:
    """The area of each event, a position in `area_names`; int16 of its length, 0 where there is none.

    store_ids: of the events, null without a store.
    """
    names = area_names(stores)
    if len(names) == 1:
        return np.zeros(len(store_ids), np.int16)
    of_store = positions(stores["area"], pa.array(names, pa.string()))
    of_store = np.append(np.where(of_store == UNKNOWN, 0, of_store), 0).astype(np.int16)  # -1: no store
    return np.asarray(of_store[positions(store_ids, stores["store_id"].combine_chunks())], np.int16)
