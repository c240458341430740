"""What this silo sells: the catalogue's items with the silo's own words and prices, and which can be had."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.errors import BundleError

logger = logging.getLogger("thousandfaces.serving")


@dataclass(frozen=True, eq=False)
class Assortment:
    """The silo's view of the catalogue.

    details:   for each vocabulary index, what an answer says about the item
    sold:      bool [n_items]; in the silo's items table
    available: bool [n_items]; sold here and, where stock is known, in stock in at least one store
    """

    details: tuple[dict[str, Any], ...]
    sold: NDArray[np.bool_]
    available: NDArray[np.bool_]

    @classmethod
    def of(cls, catalogue: Catalogue, items: pa.Table, stock: pa.Table) -> Assortment:
        """From the silo's checked items and stock tables; either may be empty (all items, stock unknown).

        Raises BundleError where the silo sells nothing that the bundle's catalogue knows.
        """
        return cls(_details(catalogue, items), *available_items(catalogue, items, stock))


def available_items(
    catalogue: Catalogue, items: pa.Table, stock: pa.Table
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which items are sold, and which can be had (see `Assortment`); raises what `Assortment.of` does."""
    sold = _sold(catalogue, items)
    return sold, sold & ~_sold_out(catalogue, stock)


def _sold(catalogue: Catalogue, items: pa.Table) -> NDArray[np.bool_]:
    if not items.num_rows:
        return np.ones(len(catalogue), np.bool_)
    positions = catalogue.indices(items["item_id"])
    sold = np.zeros(len(catalogue), np.bool_)
    sold[positions[positions >= 0]] = True
    if not sold.any():
        raise BundleError(
            f"none of the silo's {items.num_rows} items is in the bundle's catalogue ({len(catalogue)}, "
            f"such as '{catalogue.item_ids[0]}'); serve a bundle that was trained with this silo's catalogue"
        )
    if unknown := int((positions < 0).sum()):
        logger.warning("%d of the silo's items are not in the bundle's catalogue and are not shown", unknown)
    return sold


def _sold_out(catalogue: Catalogue, stock: pa.Table) -> NDArray[np.bool_]:
    if not stock.num_rows:
        return np.zeros(len(catalogue), np.bool_)
    positions = catalogue.indices(stock["item_id"])
    known = positions >= 0
    units = np.nan_to_num(np.asarray(stock["quantity"].to_numpy(), dtype=np.float64))
    listed = np.bincount(positions[known], minlength=len(catalogue))
    total = np.bincount(positions[known], weights=units[known], minlength=len(catalogue))
    return (listed > 0) & (total <= 0)


def _details(catalogue: Catalogue, items: pa.Table) -> tuple[dict[str, Any], ...]:
    columns = (catalogue.item_ids, catalogue.titles, catalogue.brands, catalogue.categories)
    details = [
        {"item_id": item_id, "title": title, "brand": brand, "category": category, "price": _price(price)}
        for item_id, title, brand, category, price in zip(*columns, catalogue.prices.tolist(), strict=True)
    ]
    names = [name for name in ("title", "brand", "category", "price") if name in items.column_names]
    own = {name: items[name].to_pylist() for name in names}
    for row, position in enumerate(catalogue.indices(items["item_id"]).tolist() if items.num_rows else ()):
        if position >= 0:
            given = {name: values[row] for name, values in own.items() if values[row] is not None}
            details[position].update(given)
    return tuple(details)


def _price(value: float) -> float | None:
    return round(value, 2) if value == value else None  # NaN: unknown
