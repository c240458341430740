"""The data contract: which tables a silo offers, and each column's type, unit, and conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import pyarrow as pa

from recsys.data.checks import (
    CLOCK_TIME,
    LATITUDE,
    LONGITUDE,
    NOT_EMPTY,
    NOT_NEGATIVE,
    POSITIVE,
    SINCE_FIRST_TIME,
    UNITS,
    Check,
    one_of,
)
from recsys.data.history import EventType


class Table(StrEnum):
    """The tables of a silo; the value is the file's name without its ending."""

    INTERACTIONS = "interactions"
    ITEMS = "items"
    CUSTOMERS = "customers"
    STORES = "stores"
    STOCK = "stock"


STRING = pa.string()
FLOAT = pa.float64()
INTEGER = pa.int64()
BOOLEAN = pa.bool_()
UTC_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    required: the column must be in the file; one that may be absent is read as its default, else as all null
    nullable: values may be missing (before defaults are filled in)
    complete: either every row has a value or none has (a column of nulls counts as absent)
    """

    name: str
    type: pa.DataType
    unit: str
    required: bool = False
    nullable: bool = True
    complete: bool = False
    default: str | float | None = None
    check: Check | None = None


@dataclass(frozen=True)
class TableContract:
    """A table: its columns in order, the column sets in which no two rows may agree, and if it must exist."""

    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...]
    required: bool = True

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that every checked table has, absent columns included."""
        return pa.schema([(column.name, column.type) for column in self.columns])

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.columns)


def _key(name: str, unit: str) -> Column:
    return Column(name, STRING, unit, required=True, nullable=False, check=NOT_EMPTY)


_INTERACTIONS = TableContract(
    columns=(
        Column("event_id", STRING, "id of the event, unique among the customer's own", check=NOT_EMPTY),
        _key("customer_id", "id of the customer in this silo"),
        _key("item_id", "id of the item in the public catalogue"),
        Column("event", STRING, "what happened", default=EventType.PURCHASE.value, check=one_of(EventType)),
        Column("quantity", FLOAT, "units of the item", default=1.0, check=UNITS),
        Column("price", FLOAT, "currency per unit", check=NOT_NEGATIVE),
        Column("timestamp", UTC_TIME, "time of the event, UTC", complete=True, check=SINCE_FIRST_TIME),
        Column("order_no", INTEGER, "position of the order in the customer's history", complete=True),
        Column("store_id", STRING, "id of the store", check=NOT_EMPTY),
        Column("order_id", STRING, "id of the order", check=NOT_EMPTY),
        Column("channel", STRING, "where it happened: store, web, app"),
    ),
    unique=(("customer_id", "event_id"),),
)

_ITEMS = TableContract(
    columns=(
        _key("item_id", "id of the item, the same in all silos"),
        Column("title", STRING, "name shown to customers"),
        Column("brand", STRING, "brand"),
        Column("category", STRING, "category, the finer level"),
        Column("department", STRING, "department, the coarser level"),
        Column("pack_size", FLOAT, "content in pack_unit", check=NOT_NEGATIVE),
        Column("pack_unit", STRING, "unit of the content: g, ml, pieces"),
        Column("price", FLOAT, "list price, currency per unit", check=NOT_NEGATIVE),
        Column("consumable", BOOLEAN, "used up and bought again"),
    ),
    unique=(("item_id",),),
)

_CUSTOMERS = TableContract(
    columns=(
        _key("customer_id", "id of the customer in this silo"),
        Column("person_key", STRING, "agreed pseudonymous key of the person, the same in all silos"),
        Column(
            "person_rank", INTEGER, "1 = first silo of that person in the identity agreement", check=POSITIVE
        ),
        Column("consent_training", BOOLEAN, "consent to training", required=True, nullable=False),
        Column(
            "consent_personalisation", BOOLEAN, "consent to personalisation", required=True, nullable=False
        ),
    ),
    unique=(("customer_id",), ("person_key",)),
)

_STORES = TableContract(
    columns=(
        _key("store_id", "id of the store"),
        Column("name", STRING, "name shown to customers"),
        Column("latitude", FLOAT, "degrees north", check=LATITUDE),
        Column("longitude", FLOAT, "degrees east", check=LONGITUDE),
        Column("opens", STRING, "local time HH:MM", check=CLOCK_TIME),
        Column("closes", STRING, "local time HH:MM", check=CLOCK_TIME),
        Column(
            "area", STRING, "name of the part of the silo that the store is supplied with", check=NOT_EMPTY
        ),
    ),
    unique=(("store_id",),),
    required=False,
)

_STOCK = TableContract(
    columns=(
        _key("store_id", "id of the store"),
        _key("item_id", "id of the item"),
        Column("quantity", FLOAT, "units in stock", required=True, nullable=False, check=NOT_NEGATIVE),
        Column("updated_at", UTC_TIME, "time of the count, UTC"),
    ),
    unique=(("store_id", "item_id"),),
    required=False,
)

CONTRACTS: Mapping[Table, TableContract] = MappingProxyType(
    {
        Table.INTERACTIONS: _INTERACTIONS,
        Table.ITEMS: _ITEMS,
        Table.CUSTOMERS: _CUSTOMERS,
        Table.STORES: _STORES,
        Table.STOCK: _STOCK,
    }
)


def empty(table: Table) -> pa.Table:
    """A checked table without rows."""
    return CONTRACTS[table].schema.empty_table()
