"""A silo's own tables together with what serving has collected since, for the next training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.data.source import named, source_of
from recsys.data.unique import key_codes
from recsys.errors import OrderingError
from recsys.silos.base import Scanned, Silo, sifted
from recsys.silos.event_store import OnlineEventStore
from recsys.silos.events import Event
from recsys.silos.files import newer
from recsys.silos.tables import somewhere

__all__ = ["Event", "MergedSilo", "OnlineEventStore", "with_online"]

KEY = ("customer_id", "event_id")
"""What an event is known by: an id says nothing without the customer who has it."""


@dataclass(frozen=True)
class MergedSilo:
    """Made by `with_online`; base rows come first and keep their row numbers."""

    base: Silo
    store: OnlineEventStore

    @property
    def name(self) -> str:
        """The base silo's name."""
        return self.base.name

    @property
    def ordering(self) -> Ordering:
        """Always by timestamp."""
        return Ordering.TIMESTAMP

    @property
    def utc_offset_seconds(self) -> int:
        """The base silo's clock against UTC."""
        return self.base.utc_offset_seconds

    def read(self, table: Table, since: datetime | None = None) -> pa.Table:
        """A base table, and for interactions the online rows after it (see `with_online`)."""
        # all base rows, so that an event is known by its id even where the two disagree about its time
        rows = self.base.read(table)
        if table is not Table.INTERACTIONS:
            return rows
        return newer(self._merged(rows, self._listed(self.store.read(since), self.base.read)), since)

    def sift(self, table: Table) -> pa.Table:
        """The same without rows that break the contract (see `Sifted.sift`), of either kind."""
        rows = sifted(self.base, table)
        if table is not Table.INTERACTIONS:
            return rows
        return self._merged(rows, self._listed(self.store.sift(), partial(sifted, self.base)))

    def scan(self) -> Iterator[pa.Table]:
        """The base silo's parts, and the online rows as the last one (see `Scanned.scan`)."""
        online, source = self._listed(self.store.read(), self.base.read), str(self.store.path)
        parts = self.base.scan() if isinstance(self.base, Scanned) else [self.base.read(Table.INTERACTIONS)]
        for rows in parts:
            online = _unknown(online, rows)
            yield rows
        yield named(online, source)

    def _merged(self, rows: pa.Table, online: pa.Table) -> pa.Table:
        merged = pa.concat_tables([rows, _unknown(online, rows)])
        return named(merged, f"{source_of(rows).file} + {self.store.path}")

    def _listed(self, online: pa.Table, read: Callable[[Table], pa.Table]) -> pa.Table:
        for table, column in ((Table.ITEMS, "item_id"), (Table.CUSTOMERS, "customer_id")):
            ids = read(table)[column].combine_chunks()
            online = online.filter(pc.is_in(online[column], value_set=ids))
        stores = read(Table.STORES)["store_id"].combine_chunks()
        return somewhere(online, stores) if len(stores) else online


def _unknown(online: pa.Table, rows: pa.Table) -> pa.Table:
    """The online rows that are not among the given ones: the same customer's, with the same event id."""
    alike = rows.filter(pc.is_in(rows["event_id"], value_set=online["event_id"].combine_chunks()))
    keys = [pa.concat_tables([table.select([name]) for table in (alike, online)])[name] for name in KEY]
    codes = key_codes(keys)
    return online.filter(pa.array(~np.isin(codes[len(alike) :], codes[: len(alike)])))


def with_online(silo: Silo, store: OnlineEventStore) -> Silo:
    """The silo with its online events, each event once; OrderingError if the silo has no timestamps.

    Online events of items or customers that the silo's tables no longer list are left out, and stores that
    are not listed count as unknown: what was closed or taken off the shelf must not stop the next training.
    """
    if silo.ordering is not Ordering.TIMESTAMP:
        raise OrderingError(
            f"silo '{silo.name}' is ordered by '{silo.ordering}', online events by timestamp; "
            "add timestamps to its interactions, or train without the online store"
        )
    return MergedSilo(silo, store)
