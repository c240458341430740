"""Writes events to the silo's store in a thread of its own: waiting for the disk never holds up an answer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from recsys.errors import ThousandFacesError
from recsys.silos.online import Event, OnlineEventStore


class EventStoreError(ThousandFacesError):
    """The event store cannot write: a full disk, a lost mount, a damaged file."""


class EventLog:
    """One writer; the ids of all events that the histories already contain.

    known: the interactions that were read at start, base and online
    """

    def __init__(self, store: OnlineEventStore, known: pa.Table) -> None:
        self._store = store
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="event-writer")
        ids = known["event_id"].drop_null().to_pylist()
        self._base = np.sort(np.fromiter(map(hash, ids), np.int64, len(ids)))
        self._fresh: set[str] = set()

    async def append(self, events: Sequence[Event]) -> tuple[int, int]:
        """Store a batch whole or not at all; how many were new, how many known. On disk when this returns.

        Raises EventConflictError (same id, other content), EventStoreError (nothing was stored).
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._writer, self._store.append, events)
        except sqlite3.Error as error:
            raise EventStoreError(f"the event store cannot write ({error}); nothing was stored") from error

    def first_met(self, events: Sequence[Event]) -> list[Event]:
        """The events that no history contains yet, each once; they count as contained from now on."""
        met = []
        for event in events:
            if event.event_id not in self._fresh and not self._in_base(event.event_id):
                self._fresh.add(event.event_id)
                met.append(event)
        return met

    def close(self) -> None:
        """Finish what is being written and close the store."""
        self._writer.shutdown(wait=True)
        self._store.close()

    def _in_base(self, event_id: str) -> bool:
        value = hash(event_id)
        position = int(np.searchsorted(self._base, value))
        return position < len(self._base) and int(self._base[position]) == value
