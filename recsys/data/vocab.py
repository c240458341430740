"""The vocabulary: items numbered by the public catalogue, never by what customers bought."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.codes import positions
from recsys.data.contracts import CONTRACTS, Table
from recsys.errors import UnknownItemError


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The public catalogue; the position of an item is its vocabulary index.

    item_ids:   sorted, unique; texts are '' where unknown
    pack_sizes: float32 [n_items], content in `pack_units`, NaN where unknown
    prices:     float32 [n_items], currency per unit, NaN where unknown
    consumable: bool [n_items], False where unknown

    Guarantee: a function of the public catalogue table alone, so it is the same on neighbouring data sets
    (add or remove one customer) and costs no budget.
    """

    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    brands: tuple[str, ...]
    categories: tuple[str, ...]
    departments: tuple[str, ...]
    pack_sizes: NDArray[np.float32]
    prices: NDArray[np.float32]
    consumable: NDArray[np.bool_]
    pack_units: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def index(self, item_id: str) -> int:
        """The vocabulary index of an item id; UnknownItemError if the catalogue has no such item."""
        try:
            return self._positions[item_id]
        except KeyError:
            raise UnknownItemError(
                f"item {item_id!r} is not in the public catalogue; "
                "add it to the catalogue, or leave its rows out"
            ) from None

    def indices(self, item_ids: pa.ChunkedArray | pa.Array | Sequence[str]) -> NDArray[np.int32]:
        """The vocabulary indices of many item ids; int32 of the same length, -1 where unknown."""
        values = (
            item_ids if isinstance(item_ids, pa.ChunkedArray | pa.Array) else pa.array(item_ids, pa.string())
        )
        return positions(values, self._value_set)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the item ids in order: two models with the same hash number items alike."""
        return hashlib.sha256(json.dumps(self.item_ids).encode()).hexdigest()

    @cached_property
    def category_codes(self) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Category number of every item, int32 [n_items], and the sorted names ('' for unknown)."""
        return _codes(self.categories)

    @cached_property
    def brand_codes(self) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Brand number of every item, int32 [n_items], and the sorted names ('' for unknown)."""
        return _codes(self.brands)

    @cached_property
    def department_codes(self) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Department number of every item, int32 [n_items], and the sorted names ('' for unknown)."""
        return _codes(self.departments)

    @classmethod
    def from_table(cls, table: pa.Table) -> Catalogue:
        """From a checked items table (`Table.ITEMS`); absent columns other than item_id are unknown."""
        table = table.sort_by("item_id")
        return cls(
            item_ids=_texts(table, "item_id"),
            titles=_texts(table, "title"),
            brands=_texts(table, "brand"),
            categories=_texts(table, "category"),
            departments=_texts(table, "department"),
            pack_sizes=_numbers(table, "pack_size"),
            prices=_numbers(table, "price"),
            consumable=_flags(table, "consumable"),
            pack_units=_texts(table, "pack_unit"),
        )

    def to_table(self) -> pa.Table:
        """The catalogue as an items table that `from_table` reads back; unknown values are null."""
        columns = {
            "item_id": pa.array(self.item_ids, pa.string()),
            "title": _known(self.titles),
            "brand": _known(self.brands),
            "category": _known(self.categories),
            "department": _known(self.departments),
            "pack_size": pa.array(self.pack_sizes, pa.float64(), from_pandas=True),
            "pack_unit": _known(self.pack_units or ("",) * len(self)),
            "price": pa.array(self.prices, pa.float64(), from_pandas=True),
            "consumable": pa.array(self.consumable, pa.bool_()),
        }
        return pa.table(columns, schema=CONTRACTS[Table.ITEMS].schema)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {item_id: position for position, item_id in enumerate(self.item_ids)}

    @cached_property
    def _value_set(self) -> pa.Array:
        return pa.array(self.item_ids, pa.string())


def _codes(names: tuple[str, ...]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    known = sorted(set(names))
    number = {name: code for code, name in enumerate(known)}
    return np.array([number[name] for name in names], np.int32), tuple(known)


def _texts(table: pa.Table, name: str) -> tuple[str, ...]:
    if name not in table.column_names:
        return ("",) * len(table)
    texts: list[str] = pc.fill_null(table[name].cast(pa.string()), "").to_pylist()
    return tuple(texts)


def _numbers(table: pa.Table, name: str) -> NDArray[np.float32]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan, np.float32)
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float32)


def _flags(table: pa.Table, name: str) -> NDArray[np.bool_]:
    if name not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    return np.asarray(pc.fill_null(table[name], False).to_numpy(), dtype=np.bool_)


def _known(texts: tuple[str, ...]) -> pa.Array:
    return pa.array([text or None for text in texts], pa.string())
