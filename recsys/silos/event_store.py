"""What serving collects: an event store of the silo's own, read again for the next training."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from recsys.data.checks import FIRST_TIME
from recsys.data.conform import conform
from recsys.data.contracts import Table
from recsys.data.sift import sift
from recsys.silos.event_append import COLUMNS, Appended, append
from recsys.silos.event_schema import prepare
from recsys.silos.events import Event, from_row, microseconds

CLOCK_SKEW = timedelta(minutes=5)

SECOND = (
    "timestamp / 1000000"  # times of day are whole seconds to a history; within one, the order of arrival
)


class OnlineEventStore:
    """Events on SQLite (WAL), durable before `append` returns; safe to use from many threads and processes.

    An event is known by its customer and its id: ids are the senders', and two customers may use one.
    Files of an older table, whose ids were unique over all customers, are brought up to date when opened.

    path: the database file, made if absent, readable by its owner alone; clock: what now is, for tests
    """

    def __init__(
        self, path: Path | str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        self._writer, self._reader = self._connect(), self._connect()
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        prepare(self._writer)

    def append(self, events: Sequence[Event]) -> Appended:
        """Store a batch in one transaction: each customer's events whole or not at all.

        An event with an id that the customer has and the same content is a duplicate and changes nothing. One
        with other content (EventConflictError), from the future or outside the contract (DataContractError),
        refuses that customer's events of the batch, and no other's.

        Guarantee: what is stored of a customer, and why not, depends on that customer's events alone, of
        those stored before and of the batch. Raises sqlite3.Error for the file's sake alone; then nothing of
        the batch is stored.
        """
        with self._transaction() as connection:
            return append(connection, events, self._clock() + CLOCK_SKEW)

    def events_of(self, customer_id: str) -> tuple[Event, ...]:
        """A customer's events, oldest first; those of one second in the order they arrived."""
        query = f"select {COLUMNS} from events where customer_id = ? order by {SECOND}, seq"  # noqa: S608
        with self._read_lock:
            rows = self._reader.execute(query, (customer_id,)).fetchall()
        return tuple(from_row(row) for row in rows)

    def read(self, since: datetime | None = None) -> pa.Table:
        """All events (at or after an aware time) as a checked interactions table, in that order.

        Events ahead of the clock (it was set back since) have not happened and are left out, and so are those
        before all time of the contract: one customer's must not keep the others' from being read.
        """
        # A part: that an id is its customer's only one is the database's own constraint.
        now = self._clock() + CLOCK_SKEW
        return conform(Table.INTERACTIONS, self._table(since, now), source=str(self.path), now=now, part=True)

    def sift(self) -> pa.Table:
        """What `read` gives, without rows that break the contract: an older program may have let some in."""
        now = self._clock() + CLOCK_SKEW
        data = self._table(None, now)
        return sift(Table.INTERACTIONS, data, source=str(self.path), now=now, ordered_by="timestamp")

    def _table(self, since: datetime | None, now: datetime) -> pa.Table:
        start = microseconds(FIRST_TIME if since is None else since)
        query = f"select {COLUMNS} from events where timestamp between ? and ? order by {SECOND}, seq"  # noqa: S608
        with self._read_lock:
            rows = self._reader.execute(query, (start, microseconds(now))).fetchall()
        columns = list(zip(*rows, strict=True)) or [()] * len(fields(Event))
        return pa.table(
            {
                field.name: pa.array(values, _ARROW[field.name])
                for field, values in zip(fields(Event), columns, strict=True)
            }
        )

    def erase(self, customer_id: str) -> int:
        """Remove a customer's events, from the file's free pages and its log too; returns how many."""
        with self._transaction() as connection:
            erased = connection.execute("delete from events where customer_id = ?", (customer_id,)).rowcount
        with self._write_lock, self._read_lock:
            self._writer.execute("pragma wal_checkpoint(truncate)")
        return erased

    def close(self) -> None:
        """Close both connections."""
        with self._write_lock, self._read_lock:
            self._writer.close()
            self._reader.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30.0)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma secure_delete = on")
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock:
            self._writer.execute("begin immediate")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("rollback")
                raise
            self._writer.execute("commit")


_ARROW = {
    "event_id": pa.string(),
    "customer_id": pa.string(),
    "item_id": pa.string(),
    "event": pa.string(),
    "quantity": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "store_id": pa.string(),
    "price": pa.float64(),
}
