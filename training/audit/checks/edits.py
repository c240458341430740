"""Neighbouring data sets: a silo's checked tables with a customer more or a customer less."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.silos.base import Silo
from recsys.silos.files import newer

Edit = Callable[[Table, pa.Table], pa.Table]
"""Makes another table of one of a silo's tables."""


@dataclass(frozen=True, eq=False)
class KeptSilo:
    """A silo's tables, kept in memory."""

    name: str
    ordering: Ordering
    utc_offset_seconds: int
    tables: Mapping[Table, pa.Table]

    @classmethod
    def of(cls, silo: Silo) -> KeptSilo:
        """Read everything once."""
        tables = {table: silo.read(table) for table in Table}
        return cls(silo.name, silo.ordering, silo.utc_offset_seconds, tables)

    def read(self, table: Table, since: datetime | None = None) -> pa.Table:
        """A whole table."""
        return newer(self.tables[table], since)


def unchanged(_table: Table, rows: pa.Table) -> pa.Table:
    """No edit."""
    return rows


@dataclass(frozen=True)
class EditedSilo:
    """A silo whose tables were changed after they were checked."""

    base: Silo
    edit: Edit

    @property
    def name(self) -> str:
        """The name of the silo."""
        return self.base.name

    @property
    def ordering(self) -> Ordering:
        """As in the silo."""
        return self.base.ordering

    @property
    def utc_offset_seconds(self) -> int:
        """As in the silo."""
        return self.base.utc_offset_seconds

    def read(self, table: Table, since: datetime | None = None) -> pa.Table:
        """The changed table."""
        return self.edit(table, self.base.read(table, since))


def trained_customers(silo: Silo) -> pa.Array:
    """The customers who consent to training and are in the silo within any bound on silos."""
    customers = silo.read(Table.CUSTOMERS)
    chosen = pc.and_(customers["consent_training"], pc.equal(customers["person_rank"], 1))
    return customers.filter(pc.fill_null(chosen, False))["customer_id"].combine_chunks()


def busiest(silo: Silo) -> str:
    """The customer with the most events among those who are trained on."""
    rows = silo.read(Table.INTERACTIONS)["customer_id"]
    counted = pc.value_counts(rows.filter(pc.is_in(rows, value_set=trained_customers(silo))))
    return str(max(counted.to_pylist(), key=lambda entry: entry["counts"])["values"])


def nobody(table: Table, rows: pa.Table) -> pa.Table:
    """All customers are gone, with all their records."""
    return rows.slice(0, 0) if table in (Table.CUSTOMERS, Table.INTERACTIONS) else rows


def without(*customers: str) -> Edit:
    """These customers are gone, with all their records."""
    gone = pa.array(customers, pa.string())

    def edit(table: Table, rows: pa.Table) -> pa.Table:
        if table not in (Table.CUSTOMERS, Table.INTERACTIONS):
            return rows
        return rows.filter(pc.invert(pc.is_in(rows["customer_id"], value_set=gone)))

    return edit


def as_whale(
    customer: str,
    *,
    times: int,
    hours: int = 10,
    quantity: float = 1.0,
    kinds: Sequence[str] = ("purchase",),
    last: datetime | None = None,
    most: int | None = None,
) -> Edit:
    """This customer has bought every item of the silo `times` over, ten hours apart.

    Of that, the events that a silo keeps of one customer go back for more than two years. hours: between two
    events; kinds: what happened, in turns, in each of the silo's stores in turns; last: when it ended, the
    customer's first event in the table if left out; most: of how many items, all if left out
    """

    def edit(table: Table, rows: pa.Table) -> pa.Table:
        if table is not Table.INTERACTIONS:
            return rows
        one = rows.filter(pc.equal(rows["customer_id"], customer)).slice(0, 1).to_pylist()[0]
        items = sorted(set(rows["item_id"].to_pylist()))[:most] * times
        stores = sorted(set(rows["store_id"].drop_null().to_pylist())) or [None]
        bought = [
            one
            | {
                "event_id": f"{customer}-{n}",
                "item_id": item,
                "event": kinds[n % len(kinds)],
                "quantity": quantity,
                "store_id": stores[n // len(kinds) % len(stores)],
                "timestamp": (last or one["timestamp"]) - timedelta(hours=hours * n),
            }
            for n, item in enumerate(items)
        ]
        added = pa.Table.from_pylist(bought, schema=rows.schema)
        return pa.concat_tables([without(customer)(table, rows), added])

    return edit
