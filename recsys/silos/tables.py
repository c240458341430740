"""The tables of a silo together, and what of the interactions histories are made of."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.areas import area_codes, area_names
from recsys.data.codes import encoded
from recsys.data.history import EventType


@dataclass(frozen=True, eq=False)
class SiloTables:
    """The five checked tables of a silo; no row refers to what is not there."""

    interactions: pa.Table
    items: pa.Table
    customers: pa.Table
    stores: pa.Table
    stock: pa.Table


def narrow(interactions: pa.Table, tables: SiloTables) -> pa.Table:
    """The columns that histories are made of: ids and events as dictionary codes, quantities as float32.

    Where stores have areas, `area` says which one an event is in, as in `area_codes`.
    """
    areas = {}
    if len(area_names(tables.stores)) > 1:
        areas["area"] = pa.array(area_codes(interactions["store_id"], tables.stores))
    return pa.table(
        {
            "customer_id": encoded(
                interactions["customer_id"], tables.customers["customer_id"].combine_chunks()
            ),
            "item_id": encoded(interactions["item_id"], tables.items["item_id"].combine_chunks()),
            "event": encoded(interactions["event"], pa.array([event.value for event in EventType])),
            "quantity": interactions["quantity"].cast(pa.float32(), safe=False),
            "timestamp": _copied(interactions["timestamp"]),
            "order_no": _copied(interactions["order_no"]),
            **areas,
        }
    )


def somewhere(rows: pa.Table, stores: pa.Array) -> pa.Table:
    """The same rows, without a store where it is not listed."""
    column = rows.schema.get_field_index("store_id")
    known = pc.if_else(pc.is_in(rows["store_id"], value_set=stores), rows["store_id"], None)
    return rows.set_column(column, rows.schema.field(column), known)


def _copied(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same numbers in memory of their own: a column as it was read keeps its whole batch in memory."""
    return pc.add(column.cast(pa.int64()), 0).cast(column.type)
