"""Silos by a column: which silo every purchase belongs to, by the purchases or a table beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.errors import ConfigError

BESIDE = {"stores.parquet": "store_id", "customers.parquet": "customer_id", "items.parquet": "item_id"}
MOST_SILOS = 64
UNKNOWN = "unknown"


def read_silo_column(
    table: pa.Table, folder: Path, path: Path, column: str | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the silos, and the number of each row's silo, int64 [rows]; nothing without a column.

    The column is looked for in the purchases, then in stores, customers and items.parquet. Raises ConfigError
    if no table has it, or if it has more than 64 values.
    """
    if column is None:
        return (), np.zeros(0, np.int64)
    values = pc.fill_null(_find(table, folder, path, column).cast(pa.string()), UNKNOWN)
    names, numbers = np.unique(values.to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    if len(names) > MOST_SILOS:
        raise ConfigError(
            f"{path}: column '{column}' has {len(names)} values, which would be as many silos; "
            f"choose one with at most {MOST_SILOS}"
        )
    return _names(names.tolist()), numbers.astype(np.int64)


def _find(table: pa.Table, folder: Path, path: Path, column: str) -> pa.ChunkedArray:
    if column in table.column_names:
        return table[column]
    looked = [path.name]
    for file, key in BESIDE.items():
        if key not in table.column_names or not (folder / file).is_file():
            continue
        beside = pq.read_table(folder / file)
        looked.append(file)
        if column in beside.column_names and key in beside.column_names:
            where = pc.index_in(
                table[key].cast(pa.string()), value_set=beside[key].cast(pa.string()).combine_chunks()
            )
            return beside[column].combine_chunks().take(where.combine_chunks())
    raise ConfigError(f"{folder}: no column '{column}' in {', '.join(looked)}; name one that is there")


def _names(values: Sequence[str]) -> tuple[str, ...]:
    """Silos' names as silo.toml wants them; the position keeps values apart that look alike then."""
    plain = [re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") for value in values]
    names: list[str] = []
    for position, (value, name) in enumerate(zip(values, plain, strict=True)):
        if not name or name != value.lower() or plain.count(name) > 1:
            name = f"{name or 'silo'}-{position}"
        while name in (*names, *plain[position + 1 :]):
            name += "-x"
        names.append(name)
    return tuple(names)
