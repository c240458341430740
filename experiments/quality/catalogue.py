"""The public catalogue of a benchmark folder: `items.parquet`, or the item ids of the purchases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.errors import DataContractError, Location

LEVELS = ("department", "category_group", "category", "subcategory")
"""Columns of an item hierarchy, coarse to fine; the two finest that are there are used."""


def read_public_catalogue(folder: Path, bought: pa.ChunkedArray) -> tuple[Catalogue, bool]:
    """The catalogue, and whether it came from items.parquet.

    Items that were bought and are not in items.parquet are added without features. DataContractError names
    the file, column and value of what does not fit.
    """
    path = folder / "items.parquet"
    ids = pc.unique(bought)
    if not path.is_file():
        return Catalogue.from_table(pa.table({"item_id": ids})), False
    table = pq.read_table(path)
    if "item_id" not in table.column_names:
        present = ", ".join(table.column_names)
        raise DataContractError(
            Location(str(path), column="item_id"), f"missing column (the file has: {present})", "add it"
        )
    items = pa.table(_columns(table))
    repeated = items.num_rows - len(pc.unique(items["item_id"]))
    if repeated or items["item_id"].null_count:
        raise DataContractError(
            Location(str(path), column="item_id"),
            f"{repeated} ids repeat or are missing",
            "give each item one row with its id",
        )
    unlisted = ids.filter(pc.invert(pc.is_in(ids, value_set=items["item_id"].combine_chunks())))
    if len(unlisted):
        items = pa.concat_tables([items, pa.table({"item_id": unlisted})], promote_options="default")
    return Catalogue.from_table(items), True


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    def text(name: str) -> pa.ChunkedArray:
        return table[name].cast(pa.string())

    columns = {"item_id": text("item_id")}
    levels = [name for name in LEVELS if name in table.column_names]
    for target, name in zip(("category", "department"), reversed(levels), strict=False):
        columns[target] = text(name)
    for target, names in {"title": ("title", "name"), "brand": ("brand", "vendor")}.items():
        found = next((name for name in names if name in table.column_names), None)
        if found is not None:
            columns[target] = text(found)
    return columns


def restricted(catalogue: Catalogue, items: NDArray[np.int64]) -> Catalogue:
    """The catalogue of some items alone (ascending positions)."""
    return Catalogue.from_table(catalogue.to_table().take(pa.array(items)))
