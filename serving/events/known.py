"""Which events the histories already contain: asked by customer and id, and answered within the customer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recsys.data.codes import positions
from recsys.silos.events import Event


class KnownEvents:
    """The ids of all events in the histories, eight bytes each, by customer; those met since besides.

    Guarantee: whether an event of a customer is known depends on that customer's events alone. Ids stand as
    hashes, and are looked for among the customer's own: ids of two customers never meet, however they hash.

    rows: the interactions that were read at start, base and online
    """

    def __init__(self, rows: pa.Table) -> None:
        rows = rows.select(["customer_id", "event_id"]).drop_null()
        customers = rows["customer_id"].unique().sort()
        codes = positions(rows["customer_id"], customers)
        ids = np.fromiter(map(hash, rows["event_id"].to_pylist()), np.int64, rows.num_rows)
        self._customers = {one: row for row, one in enumerate(customers.to_pylist())}
        self._ids = ids[np.lexsort((ids, codes))]
        counts = np.bincount(codes, minlength=len(customers))
        self._offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._met: set[tuple[str, str]] = set()

    def meet(self, event: Event) -> bool:
        """Whether the event is new; it counts as known from now on."""
        key = (event.customer_id, event.event_id)
        if key in self._met or self._at_start(*key):
            return False
        self._met.add(key)
        return True

    def _at_start(self, customer_id: str, event_id: str) -> bool:
        row = self._customers.get(customer_id)
        if row is None:
            return False
        own = self._ids[self._offsets[row] : self._offsets[row + 1]]
        value = hash(event_id)
        position = int(np.searchsorted(own, value))
        return position < len(own) and int(own[position]) == value
