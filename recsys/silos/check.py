"""Validated reading: all tables of a silo, checked one by one and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.data.source import source_of
from recsys.data.vocab import Catalogue
from recsys.silos.base import Silo


@dataclass(frozen=True, eq=False)
class SiloTables:
    """The five checked tables of a silo; no row refers to what is not there."""

    interactions: pa.Table
    items: pa.Table
    customers: pa.Table
    stores: pa.Table
    stock: pa.Table


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
    _require_known(tables.interactions, "item_id", tables.items["item_id"], "items table")
    _require_known(tables.interactions, "customer_id", tables.customers["customer_id"], "customers table")
    _require_known(tables.stock, "item_id", tables.items["item_id"], "items table")
    if tables.stores.num_rows:
        _require_known(tables.interactions, "store_id", tables.stores["store_id"], "stores table")
        _require_known(tables.stock, "store_id", tables.stores["store_id"], "stores table")
    if catalogue is not None:
        known = pa.chunked_array([pa.array(catalogue.item_ids, pa.string())])
        _require_known(tables.items, "item_id", known, "public catalogue")
    return tables


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
