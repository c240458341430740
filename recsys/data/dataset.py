"""Consented interactions as histories over the public vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.codes import UNKNOWN, positions
from recsys.data.consent import Consented
from recsys.data.history import EventType, Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, OrderingError

P = TypeVar("P")

MICROSECONDS = 1_000_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """The histories of all consenting customers of a silo.

    catalogue: the public vocabulary; customer_ids: sorted; histories: row c belongs to customer_ids[c]
    """

    catalogue: Catalogue
    customer_ids: tuple[str, ...]
    histories: Histories

    @classmethod
    def build(
        cls,
        consented: Consented[P],
        catalogue: Catalogue,
        *,
        ordering: Ordering,
        utc_offset_seconds: int = 0,
        max_events_per_customer: int | None,
        drop_unknown_items: bool = False,
    ) -> Dataset:
        """Sort by customer and time (ties keep the table's order) and keep each customer's latest events.

        Customers without events stay, with an empty history. Raises UnknownItemError for an item outside the
        catalogue (or drops its rows, where serving's catalogue may be older than the shop's), OrderingError
        where `ordering` asks for a column that has no values, ConfigError for a bound below 1.

        Guarantee: unit one customer, relation add or remove one customer. A customer's history is a function
        of that customer's rows and of public arguments alone; the bound on events is taken per customer,
        before any sampling. So removing one customer removes one history and leaves all others identical.
        """
        if max_events_per_customer is not None and max_events_per_customer < 1:
            raise ConfigError(
                f"max_events_per_customer = {max_events_per_customer}; give at least 1, or none"
            )
        ids = consented.customers["customer_id"].sort()
        rows = consented.interactions
        items = catalogue.indices(rows["item_id"])
        if drop_unknown_items:
            rows, items = rows.filter(pa.array(items >= 0)), items[items >= 0]
        _require_known(rows, items, catalogue)
        customers = positions(rows["customer_id"], ids.combine_chunks())
        times = _times(rows, ordering)
        order, offsets = _latest(customers, times, len(ids), max_events_per_customer)
        histories = Histories(
            offsets,
            items[order],
            times[order],
            _event_codes(rows)[order],
            _quantities(rows)[order],
            ordering,
            utc_offset_seconds,
            _areas(rows, order),
        )
        return cls(catalogue, tuple(ids.to_pylist()), histories)


def _require_known(rows: pa.Table, items: NDArray[np.int32], catalogue: Catalogue) -> None:
    unknown = np.flatnonzero(items < 0)
    if len(unknown):
        catalogue.index(rows["item_id"][int(unknown[0])].as_py())


def _latest(
    customers: NDArray[np.int32], times: NDArray[np.int64], n: int, bound: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers by customer and time, each customer's last `bound` only, and the offsets of customers."""
    order = _sort(customers, times)
    counts = np.bincount(customers, minlength=n)
    if bound is not None:
        newer = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(order))
        order = order[newer < bound]
        counts = np.minimum(counts, bound)
    return order, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _sort(customers: NDArray[np.int32], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row numbers by customer, then time, ties in the order given; one key where both fit into 63 bits."""
    if len(times) == 0:
        return np.zeros(0, np.int64)
    first, last = int(times.min()), int(times.max())
    span = last - first + 1
    if (int(customers.max()) + 1) * span >= 1 << 63:
        return np.lexsort((times, customers))
    return np.argsort(customers.astype(np.int64) * span + (times - first), kind="stable")


def _times(rows: pa.Table, ordering: Ordering) -> NDArray[np.int64]:
    if ordering is Ordering.NONE:
        return np.zeros(rows.num_rows, np.int64)
    name = "timestamp" if ordering is Ordering.TIMESTAMP else "order_no"
    if name not in rows.column_names or rows[name].null_count:
        raise OrderingError(
            f"the data is said to be ordered by '{name}', but the column is absent or has gaps; "
            "fill it, or declare another ordering"
        )
    values = np.asarray(rows[name].cast(pa.int64()).to_numpy(), dtype=np.int64)
    return values // MICROSECONDS if ordering is Ordering.TIMESTAMP else values


def _event_codes(rows: pa.Table) -> NDArray[np.int8]:
    if "event" not in rows.column_names:
        return np.full(rows.num_rows, EventType.PURCHASE.code, np.int8)
    codes = positions(rows["event"], pa.array([event.value for event in EventType]))
    return np.where(codes == UNKNOWN, EventType.PURCHASE.code, codes).astype(np.int8)


def _areas(rows: pa.Table, order: NDArray[np.int64]) -> NDArray[np.int16] | None:
    if "area" not in rows.column_names:
        return None
    return np.asarray(rows["area"].to_numpy(), dtype=np.int16)[order]


def _quantities(rows: pa.Table) -> NDArray[np.float32]:
    if "quantity" not in rows.column_names:
        return np.ones(rows.num_rows, np.float32)
    return np.asarray(pc.fill_null(rows["quantity"], 1.0).to_numpy(), dtype=np.float32)
