"""A silo's consenting customers, a chunk at a time as histories; memory follows their events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.data.codes import positions
from recsys.data.consent import consented_for_personalisation
from recsys.data.contracts import Table
from recsys.data.dataset import MICROSECONDS, Dataset
from recsys.data.history import EventType, Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import OrderingError
from recsys.silos.base import Scanned, Silo, sifted
from recsys.silos.check import BREACH
from serving.settings import MAX_EVENTS_PER_CUSTOMER

CUSTOMERS = 16_384  # of a chunk
_KINDS = pa.array([event.value for event in EventType])


class _Rows(NamedTuple):
    """Some rows: numbers of customer (in the chunk), item and event; units; Unix seconds."""

    customers: NDArray[Any]
    items: NDArray[Any]
    events: NDArray[Any]
    units: NDArray[Any]
    times: NDArray[Any]


_NONE = _Rows(*(np.zeros(0, kind) for kind in (np.int16, np.int32, np.int8, np.float32, np.int64)))


class Customers:
    """The customers of a silo who consented to personalisation, with what each of them did.

    broken: whether rows were set aside for breaking the contract; for the operator's eyes
    """

    def __init__(self, silo: Silo, catalogue: Catalogue) -> None:
        """Reads the silo as the server does: without rows that break the contract (see `read_sound`).

        Raises OrderingError without timestamps, DataContractError for a file, a column or a public table.
        """
        if silo.ordering is not Ordering.TIMESTAMP:
            raise OrderingError(
                f"silo '{silo.name}' has no timestamps, so nothing is known about when; "
                "connect a table with timestamps"
            )
        self._silo, self._catalogue = silo, catalogue
        self.broken = False
        people = self._sound(Table.CUSTOMERS)
        self._people = people.filter(people["consent_personalisation"]).sort_by("customer_id")
        self._items = pa.array(catalogue.item_ids, pa.string())
        self._listed = _listed(silo, catalogue)
        self._rows = self._gathered()

    def __len__(self) -> int:
        return int(self._people.num_rows)

    def chunks(self) -> Iterator[Dataset]:
        """The histories, by customer id. A chunk's rows are forgotten once they are given: read once."""
        for number, rows in enumerate(self._rows):
            self._rows[number] = []
            yield self._dataset(number * CUSTOMERS, rows)

    def _gathered(self) -> list[list[_Rows]]:
        try:
            scanned = self._silo.scan() if isinstance(self._silo, Scanned) else None
            return self._split(scanned or [self._silo.read(Table.INTERACTIONS)])
        except BREACH:
            # Read whole, ids that only seemed to repeat pass.
            return self._split([self._sound(Table.INTERACTIONS)])

    def _sound(self, table: Table) -> pa.Table:
        try:
            return self._silo.read(table)
        except BREACH:
            self.broken = True
            return sifted(self._silo, table)

    def _split(self, tables: Iterable[pa.Table]) -> list[list[_Rows]]:
        """By chunk, the rows of each table, in its order."""
        chunks: list[list[_Rows]] = [[] for _ in range(0, len(self), CUSTOMERS)]
        ids = self._people["customer_id"].combine_chunks()
        for table in tables:
            customers, items = positions(table["customer_id"], ids), positions(table["item_id"], self._items)
            rows = np.flatnonzero((customers >= 0) & (items >= 0) & self._listed[items])
            place = (customers[rows] // CUSTOMERS).astype(np.int16)
            rows = rows[np.argsort(place, kind="stable")]
            ends = np.cumsum(np.bincount(place, minlength=len(chunks))).tolist()
            local = (customers[rows] % CUSTOMERS).astype(np.int16)
            kept = [local, *(column[rows] for column in (items, *_others(table)))]
            for chunk, start, stop in zip(chunks, [0, *ends[:-1]], ends, strict=True):
                if stop > start:
                    chunk.append(_Rows(*(column[start:stop] for column in kept)))
        return chunks

    def _dataset(self, start: int, parts: list[_Rows]) -> Dataset:
        rows = _Rows(*map(np.concatenate, zip(*[_NONE, *parts], strict=True)))
        people = self._people.slice(start, CUSTOMERS)
        ids = people["customer_id"].combine_chunks()
        table = pa.table(
            {
                "customer_id": pa.DictionaryArray.from_arrays(pa.array(rows.customers), ids),
                "item_id": pa.DictionaryArray.from_arrays(pa.array(rows.items), self._items),
                "event": pa.DictionaryArray.from_arrays(pa.array(rows.events), _KINDS),
                "quantity": rows.units,
                "timestamp": pa.array(rows.times * MICROSECONDS, pa.timestamp("us", tz="UTC")),
            }
        )
        return Dataset.build(
            consented_for_personalisation(table, people),
            self._catalogue,
            ordering=Ordering.TIMESTAMP,
            utc_offset_seconds=self._silo.utc_offset_seconds,
            max_events_per_customer=MAX_EVENTS_PER_CUSTOMER,
        )


def _listed(silo: Silo, catalogue: Catalogue) -> NDArray[np.bool_]:
    """Which of the catalogue's items the silo's table lists; bool [n_items]. Of an empty table: all."""
    items = silo.read(Table.ITEMS)["item_id"]
    return np.isin(np.arange(len(catalogue)), catalogue.indices(items)) | (len(items) == 0)


def _others(table: pa.Table) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """Numbers of the events, units, Unix seconds."""
    units = table["quantity"].cast(pa.float32(), safe=False).to_numpy()
    times = table["timestamp"].cast(pa.int64()).to_numpy() // MICROSECONDS
    return positions(table["event"], _KINDS).astype(np.int8), units, times
