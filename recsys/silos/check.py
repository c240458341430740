"""Validated reading: all tables of a silo, checked one by one and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.contracts import Table, empty
from recsys.data.history import Ordering
from recsys.data.source import source_of
from recsys.data.vocab import Catalogue
from recsys.errors import DataContractError
from recsys.silos.base import Scanned, Silo, sifted
from recsys.silos.tables import SiloTables, narrow, somewhere

BREACH = (DataContractError, pa.ArrowException)
"""What strict reading raises, of whatever row; what is not a customer's is raised again by sifting."""


@dataclass(frozen=True)
class SiloReport:
    """What the silo's own operator is told. Exact counts of private data: it never leaves the silo.

    rows: by table; consenting: customers by purpose; first, last: UTC times of interactions, if they have any
    """

    name: str
    ordering: Ordering
    rows: Mapping[str, int]
    consenting: Mapping[str, int]
    first: datetime | None
    last: datetime | None

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values, times in ISO 8601."""
        times = {key: time and time.isoformat() for key, time in (("first", self.first), ("last", self.last))}
        return asdict(self) | {"ordering": self.ordering.value} | times


def read_checked(silo: Silo, catalogue: Catalogue | None = None) -> SiloTables:
    """All tables at once, before anything uses a row of them; DataContractError at the first breach.

    Beyond each table's own contract: items, customers and stores that rows refer to are in the silo's tables,
    and the silo's items in the public catalogue if it is given. Stores are checked where there is a table.
    Whether any customer consents is not looked at: a training run must not behave differently for it.
    """
    tables = SiloTables(*(silo.read(table) for table in Table))
    _require_known_interactions(tables.interactions, tables)
    _require_known_others(tables, catalogue)
    return tables


def read_sound(silo: Silo, catalogue: Catalogue | None = None) -> SiloTables:
    """All tables without what breaks the contract: of each customer the rows that keep it, perhaps none.

    `read_checked` where nothing breaks it. Elsewhere rows of customers that do are set aside, and rows of
    items or customers that the silo's tables do not list; a store that is not listed counts as unknown.
    Nothing is told or counted of what was set aside: `silo check` names it. Raises DataContractError for what
    is wrong with a file, a column or a public table.

    Guarantee: unit one customer, relation add or remove one: what is read of a customer, and whether anything
    is read at all, depends on that customer's own rows and on public tables, columns and settings alone.
    """
    try:
        return read_checked(silo, catalogue)
    except BREACH:
        return _sifted(silo, catalogue)


def read_for_training(silo: Silo, catalogue: Catalogue) -> SiloTables:
    """`read_sound` for whoever needs only what histories are made of: a fraction of the memory.

    Interactions have the columns of `narrow` alone. Errors are those of `read_sound`.
    """
    if not isinstance(silo, Scanned):
        return _narrowed(read_sound(silo, catalogue))
    try:
        others = {table.value: silo.read(table) for table in Table if table is not Table.INTERACTIONS}
        tables = SiloTables(empty(Table.INTERACTIONS), **others)
        parts = list[pa.Table]()
        for part in silo.scan():
            _require_known_interactions(part, tables)
            parts.append(narrow(part, tables))
        _require_known_others(tables, catalogue)
    except BREACH:
        return _narrowed(_sifted(silo, catalogue))
    return replace(tables, interactions=pa.concat_tables(parts))


def _sifted(silo: Silo, catalogue: Catalogue | None) -> SiloTables:
    tables = SiloTables(*(sifted(silo, table) for table in Table))
    _require_known_others(tables, catalogue)
    rows = tables.interactions
    for column, known in (("item_id", tables.items), ("customer_id", tables.customers)):
        rows = rows.filter(pc.is_in(rows[column], value_set=known[column].combine_chunks()))
    if tables.stores.num_rows:
        rows = somewhere(rows, tables.stores["store_id"].combine_chunks())
    return replace(tables, interactions=rows)


def _narrowed(tables: SiloTables) -> SiloTables:
    return replace(tables, interactions=narrow(tables.interactions, tables))


def check_silo(silo: Silo, catalogue: Catalogue | None = None) -> SiloReport:
    """The operator's check: `read_checked`, and that at least one customer consents to training."""
    tables = read_checked(silo, catalogue)
    consenting = {
        purpose: int(pc.sum(tables.customers[f"consent_{purpose}"]).as_py() or 0)
        for purpose in ("training", "personalisation")
    }
    if not consenting["training"]:
        raise source_of(tables.customers).error(
            "no consent: not one customer consents to training",
            "check the export of consents; without them the silo has nothing to train on",
            column="consent_training",
        )
    times = pc.min_max(tables.interactions["timestamp"])
    rows = {table.value: getattr(tables, table.value).num_rows for table in Table}
    return SiloReport(silo.name, silo.ordering, rows, consenting, _time(times["min"]), _time(times["max"]))


def _require_known_interactions(rows: pa.Table, tables: SiloTables) -> None:
    _require_known(rows, "item_id", tables.items["item_id"], "items table")
    _require_known(rows, "customer_id", tables.customers["customer_id"], "customers table")
    if tables.stores.num_rows:
        _require_known(rows, "store_id", tables.stores["store_id"], "stores table")


def _require_known_others(tables: SiloTables, catalogue: Catalogue | None) -> None:
    _require_known(tables.stock, "item_id", tables.items["item_id"], "items table")
    if tables.stores.num_rows:
        _require_known(tables.stock, "store_id", tables.stores["store_id"], "stores table")
    if catalogue is not None:
        known = pa.chunked_array([pa.array(catalogue.item_ids, pa.string())])
        _require_known(tables.items, "item_id", known, "public catalogue")


def _require_known(table: pa.Table, column: str, known: pa.ChunkedArray, where: str) -> None:
    values = table[column]
    unknown = pc.and_(pc.invert(pc.is_in(values, value_set=known.combine_chunks())), pc.is_valid(values))
    row = pc.index(unknown, True).as_py()
    if row >= 0:
        kind = column.removesuffix("_id")
        raise source_of(table).error(
            f"unknown {kind}: not in the {where}",
            f"add the {kind} there, or leave the row out",
            column=column,
            row=row,
        )


def _time(value: pa.Scalar) -> datetime | None:
    time: datetime | None = value.as_py()
    return time
