"""A silo of the bench as an operator has it: tables as files, and a store of events that serving took in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.data.contracts import Table
from recsys.data.history import EventType
from recsys.silos.event_store import OnlineEventStore
from recsys.silos.events import Event
from training.audit.checks.bench import Bench
from training.audit.checks.edits import Edit
from training.audit.checks.subject import Subject
from training.node import Node

Tables = Mapping[Table, pa.Table]


def tables_of(world: Bench, edit: Edit) -> dict[Table, pa.Table]:
    """The first silo's tables, edited."""
    silo = Subject(world, edit=edit).node.silo
    return {table: silo.read(table) for table in Table}


def filed(world: Bench, tables: Tables, events: Sequence[Event], *, erased: Sequence[str] = ()) -> Subject:
    """The first silo with these files and this online store, read as a deployed silo reads them.

    erased: customers whose online events were taken in and then erased
    """
    subject, folder = Subject(world), world.scratch()
    for table, rows in tables.items():
        if rows.num_rows:
            pq.write_table(rows, folder / f"{table}.parquet")
    store = OnlineEventStore(folder / "online.sqlite")
    # One customer after the other, as a server takes events in.
    for customer in sorted({event.customer_id for event in events}):
        store.append([event for event in events if event.customer_id == customer])
    for customer in erased:
        store.erase(customer)
    store.close()
    update = {"folder": folder, "online": store.path}
    subject.node = Node(subject.node.config.model_copy(update=update), world.federation)
    return subject


def bought(
    customer: str,
    items: Sequence[str],
    ids: Sequence[str],
    last: datetime,
    kind: EventType = EventType.PURCHASE,
    *,
    minutes: int = 180,
) -> list[Event]:
    """An event for each item, so many minutes apart, back from `last`."""
    return [
        Event(name, customer, item, kind.value, 1.0, last - timedelta(minutes=minutes * number))
        for number, (item, name) in enumerate(zip(items, ids, strict=True))
    ]


def edited(*edits: Edit) -> Edit:
    """One edit after the other."""

    def edit(table: Table, rows: pa.Table) -> pa.Table:
        for each in edits:
            rows = each(table, rows)
        return rows

    return edit


def with_value(customer: str, column: str, value: object) -> Edit:
    """The customers table with another value for one customer."""

    def edit(table: Table, rows: pa.Table) -> pa.Table:
        if table is not Table.CUSTOMERS:
            return rows
        place = rows.schema.get_field_index(column)
        changed = pc.if_else(
            pc.equal(rows["customer_id"], customer), pa.scalar(value, rows.schema.types[place]), rows[column]
        )
        return rows.set_column(place, rows.schema.field(place), changed)

    return edit


def ids_of(rows: pa.Table, customer: str) -> list[str]:
    """The event ids of a customer."""
    found: list[str] = rows.filter(pc.equal(rows["customer_id"], customer))["event_id"].to_pylist()
    return found


def with_ids(customer: str, ids: Sequence[str]) -> Edit:
    """This customer's first interactions have these ids."""

    def edit(table: Table, rows: pa.Table) -> pa.Table:
        if table is not Table.INTERACTIONS:
            return rows
        listed, wanted = rows.to_pylist(), iter(ids)
        for row in listed:
            if row["customer_id"] == customer:
                row["event_id"] = next(wanted, row["event_id"])
        return pa.Table.from_pylist(listed, schema=rows.schema)

    return edit
