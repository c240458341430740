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

from recsys.data.conform import conform
from recsys.data.contracts import Table
from recsys.errors import EventConflictError
from recsys.silos.events import Event, from_row, microseconds, to_row

CLOCK_SKEW = timedelta(minutes=5)

SCHEMA = """
create table if not exists events (
    seq integer primary key,
    event_id text not null unique,
    customer_id text not null,
    item_id text not null,
    event text not null,
    quantity real not null check (quantity >= 0),
    timestamp integer not null,
    store_id text,
    price real
);
create index if not exists events_of_customer on events (customer_id, timestamp, seq);
"""
COLUMNS = "event_id, customer_id, item_id, event, quantity, timestamp, store_id, price"
SECOND = (
    "timestamp / 1000000"  # times of day are whole seconds to a history; within one, the order of arrival
)
INSERT = f"insert into events ({COLUMNS}) values (?,?,?,?,?,?,?,?) on conflict do nothing"  # noqa: S608


class OnlineEventStore:
    """Events on SQLite (WAL), durable before `append` returns; safe to use from many threads and processes.

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
        self._writer.executescript(SCHEMA)

    def append(self, events: Sequence[Event]) -> tuple[int, int]:
        """Store a batch in one transaction; returns how many were new and how many known already.

        An event with a known id and the same content is a duplicate and changes nothing. One with a known id
        and different content raises EventConflictError, one from the future DataContractError; then nothing
        of the batch is stored.
        """
        latest = self._clock() + CLOCK_SKEW
        for event in events:
            if event.timestamp > latest:
                raise event.error("timestamp", "future date", "correct the sender's clock")
        with self._transaction() as connection:
            return self._insert(connection, [to_row(event) for event in events])

    def events_of(self, customer_id: str) -> tuple[Event, ...]:
        """A customer's events, oldest first; those of one second in the order they arrived."""
        query = f"select {COLUMNS} from events where customer_id = ? order by {SECOND}, seq"  # noqa: S608
        with self._read_lock:
            rows = self._reader.execute(query, (customer_id,)).fetchall()
        return tuple(from_row(row) for row in rows)

    def read(self, since: datetime | None = None) -> pa.Table:
        """All events (at or after an aware time) as a checked interactions table, in that order."""
        start = -(2**63) if since is None else microseconds(since)
        query = f"select {COLUMNS} from events where timestamp >= ? order by {SECOND}, seq"  # noqa: S608
        with self._read_lock:
            rows = self._reader.execute(query, (start,)).fetchall()
        columns = list(zip(*rows, strict=True)) or [()] * len(fields(Event))
        data = {
            field.name: pa.array(values, _ARROW[field.name])
            for field, values in zip(fields(Event), columns, strict=True)
        }
        now = self._clock() + CLOCK_SKEW
        return conform(Table.INTERACTIONS, pa.table(data), source=str(self.path), now=now)

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

    def _insert(self, connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> tuple[int, int]:
        accepted = 0
        for row in rows:
            inserted = connection.execute(INSERT, row).rowcount
            if not inserted:
                self._require_same(connection, row)
            accepted += inserted
        return accepted, len(rows) - accepted

    def _require_same(self, connection: sqlite3.Connection, row: tuple[object, ...]) -> None:
        query = f"select {COLUMNS} from events where event_id = ?"  # noqa: S608
        known = connection.execute(query, (row[0],)).fetchone()
        for field, old, new in zip(fields(Event), known, row, strict=True):
            if old != new:
                raise EventConflictError(
                    f"event {row[0]!r} is stored with another {field.name}; "
                    "send each event under its own id, and never change one that was sent"
                )


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
