"""Writes events to the silo's store in a thread of its own: waiting for the disk never holds up an answer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from recsys.errors import ThousandFacesError
from recsys.silos.event_append import Appended
from recsys.silos.online import Event, OnlineEventStore
from serving.events.known import KnownEvents


class EventStoreError(ThousandFacesError):
    """The event store cannot write: a full disk, a lost mount, a damaged file."""


class EventLog:
    """One writer; and which events the histories already contain.

    known: the interactions that were read at start, base and online
    """

    def __init__(self, store: OnlineEventStore, known: pa.Table) -> None:
        self._store = store
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="event-writer")
        self._known = KnownEvents(known)

    async def append(self, events: Sequence[Event]) -> Appended:
        """Store each customer's events of a batch whole or not at all; what was stored is on disk then.

        Raises EventStoreError (nothing was stored, of anybody).
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._writer, self._store.append, events)
        except sqlite3.Error as error:
            raise EventStoreError(f"the event store cannot write ({error}); nothing was stored") from error

    def first_met(self, events: Sequence[Event]) -> list[Event]:
        """The events that no history contains yet, each once; they count as contained from now on."""
        return [event for event in events if self._known.meet(event)]

    def close(self) -> None:
        """Finish what is being written and close the store."""
        self._writer.shutdown(wait=True)
        self._store.close()
