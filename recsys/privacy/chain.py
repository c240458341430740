"""Append-only rows in SQLite, chained by hashes: what happened cannot be edited without showing.

Each row's hash covers every column and the hash of the row before it. Triggers refuse updates, deletions and
rows out of line; CHECK constraints refuse numbers that are no privacy parameters (NaN and infinities among
them). Someone who rewrites the whole file with new hashes is seen by its head: it no longer holds the heads
that were exported. Every write is on the disk before it returns (synchronous=EXTRA: the journal's directory
too).
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from recsys.errors import LedgerError
from recsys.privacy.ledger_schema import GENESIS, SCHEMA, SCHEMA_VERSION, VALUES

BUSY_SECONDS = 60.0
Value = str | int | float | None


@dataclass(frozen=True)
class Verification:
    """Whether the chain is whole; if not, the first row that is wrong (1-based) and what is wrong with it."""

    ok: bool
    rows: int
    head: str
    first_bad_row: int | None = None
    problem: str | None = None


class Chain:
    """The rows of one ledger file. Safe for several threads and processes: each call opens the file anew."""

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        self.path = Path(path)
        if not self.path.exists():
            if not create:
                raise LedgerError(f"{self.path}: no such ledger; check the path, or train once to make it")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        if create:
            with self._transaction() as connection:
                if _is_empty(connection):
                    _make_tables(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection on which nothing is to be written; LedgerError if the file is no ledger."""
        with self._connected() as connection:
            self._refuse_other_files(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that no other writer can interleave with; durable once the block is left."""
        with self._transaction() as connection:
            self._refuse_other_files(connection)
            yield connection

    def append(self, connection: sqlite3.Connection, kind: str, silo: str, **values: Value) -> sqlite3.Row:
        """Add one row inside a `writing` block; its number, time, links and hash are made here."""
        last = connection.execute("SELECT id, hash FROM rows ORDER BY id DESC LIMIT 1").fetchone()
        row: dict[str, Value] = dict.fromkeys(VALUES)
        row |= {"id": last["id"] + 1 if last else 1, "previous": last["hash"] if last else GENESIS}
        row |= {"kind": kind, "silo": silo, "time": datetime.now(UTC).isoformat(), "details": "{}"} | values
        columns, marks = ", ".join([*row, "hash"]), ", ".join("?" * (len(row) + 1))
        # The names are constants, never input.
        statement = f"INSERT INTO rows ({columns}) VALUES ({marks})"  # noqa: S608
        connection.execute(statement, [*row.values(), row_hash(row)])
        return self.row(connection, int(str(row["id"])))

    def row(self, connection: sqlite3.Connection, number: int) -> sqlite3.Row:
        """One row by its number; LedgerError if there is none."""
        found: sqlite3.Row | None = connection.execute("SELECT * FROM rows WHERE id = ?", [number]).fetchone()
        if found is None:
            raise LedgerError(f"{self.path}: row {number} does not exist; see the ledger's history")
        return found

    def all_rows(self) -> list[sqlite3.Row]:
        """Every row, in order."""
        with self.reading() as connection:
            return connection.execute("SELECT * FROM rows ORDER BY id").fetchall()

    def head(self) -> str:
        """The last row's hash (hex, zeros if empty): export it, so that a cut tail is seen later."""
        with self.reading() as connection:
            last = connection.execute("SELECT hash FROM rows ORDER BY id DESC LIMIT 1").fetchone()
            return str(last["hash"]) if last else GENESIS

    def verify(self, known_heads: Iterable[str] = ()) -> Verification:
        """Recompute every hash and link; with heads exported earlier, also see a cut or rewritten ledger.

        Edits, deletions, insertions and reordering are named by the first row that is out of line.
        """
        try:
            return _verify(self.all_rows(), set(known_heads) - {GENESIS})
        except LedgerError as error:
            return Verification(False, 0, GENESIS, None, str(error))

    def _refuse_other_files(self, connection: sqlite3.Connection) -> None:
        if _schema_version(connection) != SCHEMA_VERSION:
            raise LedgerError(f"{self.path}: not a privacy ledger (version {SCHEMA_VERSION}); check the path")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            opened = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            with closing(opened) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("PRAGMA recursive_triggers = ON")
                yield connection
        except sqlite3.IntegrityError as error:
            raise LedgerError(f"{self.path}: refused: {error}; the ledger is unchanged") from error
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: unreadable or damaged: {error}; restore a copy") from error


def row_hash(row: sqlite3.Row | dict[str, Value]) -> str:
    """SHA-256 (hex) of the row's columns, the previous hash among them, as canonical JSON."""
    text = json.dumps({name: row[name] for name in VALUES}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _verify(rows: list[sqlite3.Row], known_heads: set[str]) -> Verification:
    previous = GENESIS
    for position, row in enumerate(rows, start=1):
        if problem := _problem(row, position, previous):
            return Verification(False, len(rows), rows[-1]["hash"], position, problem)
        previous = row["hash"]
    if lost := known_heads - {row["hash"] for row in rows}:
        problem = f"{len(lost)} exported head(s) are not in the ledger: its tail was cut or it was rewritten"
        return Verification(False, len(rows), previous, len(rows) + 1, problem)
    return Verification(True, len(rows), previous)


def _problem(row: sqlite3.Row, position: int, previous: str) -> str | None:
    if row["id"] != position:
        return f"row {position} is missing or was moved; found number {row['id']} in its place"
    if row["previous"] != previous:
        return (
            f"row {position} does not follow row {position - 1}: one was edited, deleted, inserted or moved"
        )
    if row["hash"] != row_hash(row):
        return f"row {position} was edited: its hash does not match its content"
    return None


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing is in the file yet: another program's database is never written to."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return _schema_version(connection) == 0 and tables == 0


def _make_tables(connection: sqlite3.Connection) -> None:
    # One by one: executescript would commit before the transaction that keeps other processes out.
    statement = ""
    for line in SCHEMA.strip().splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
