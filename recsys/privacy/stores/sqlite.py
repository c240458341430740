"""A ledger in a SQLite file: every write is on the disk before it returns (synchronous=EXTRA)."""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from recsys.errors import LedgerError
from recsys.privacy.ledger_schema import SCHEMA_VERSION, VALUES, Dialect, tables
from recsys.privacy.stores.base import (
    BUSY_SECONDS,
    NOTHING_RESERVED,
    PERHAPS_RESERVED,
    Record,
    Session,
    Value,
)

DIALECT = Dialect("INTEGER", "REAL", "typeof({}) = 'integer'", "typeof({}) = 'real'")
TRIGGERS = (
    "CREATE TRIGGER no_update BEFORE UPDATE ON rows "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER no_delete BEFORE DELETE ON rows "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    """CREATE TRIGGER in_line BEFORE INSERT ON rows
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM rows)
    OR NEW.previous IS NOT coalesce(
        (SELECT hash FROM rows ORDER BY id DESC LIMIT 1), lower(hex(zeroblob(32))))
BEGIN SELECT RAISE(ABORT, 'the row does not continue the chain'); END""",
    """CREATE TRIGGER closes_a_reservation BEFORE INSERT ON rows
WHEN NEW.kind IN ('commit', 'void')
    AND NOT EXISTS (
        SELECT 1 FROM rows
        WHERE id = NEW.reservation AND kind = 'reserve' AND steps >= coalesce(NEW.steps, 0))
BEGIN SELECT RAISE(ABORT, 'no such reservation, or more steps than reserved'); END""",
)
TURN_SECONDS = BUSY_SECONDS / 2
POLL_SECONDS = 0.005
# Primary result codes: what is wrong, and what to do.
PROBLEMS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space and run again"),
    sqlite3.SQLITE_READONLY: ("cannot be written", "give this process the right to write it and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check that its folder is there and may be written"),
    sqlite3.SQLITE_PERM: ("may not be opened", "give this process the right to read and write it"),
    sqlite3.SQLITE_BUSY: (f"another process kept it for {BUSY_SECONDS:g} s", "run again"),
    sqlite3.SQLITE_IOERR: ("the disk does not answer", "check the disk and its space"),
}
DAMAGED = ("unreadable or damaged", "restore a copy")


class _SqliteSession:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, **values: Value) -> list[Record]:
        cursor = self._connection.execute(statement, values)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class SqliteStore:
    """One file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def where(self) -> str:
        """The path."""
        return str(self._path)

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._path

    def exists(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def create(self) -> None:
        """Make an empty file and its folder, if there is none."""
        if self._path.exists():
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise LedgerError(
                f"{self.where}: cannot be made ({error.strerror}); {NOTHING_RESERVED}; "
                "check the folder, its rights and the disk's space"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A connection on which nothing is to be written."""
        with self._explained(NOTHING_RESERVED), closing(self._connect()) as connection:
            yield _SqliteSession(connection)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """BEGIN IMMEDIATE, the block, COMMIT."""
        with self._explained(NOTHING_RESERVED), self._turn(), closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _SqliteSession(connection)
                self._commit(connection)
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.rollback()
                raise

    def version(self, session: Session) -> int | None:
        """From `user_version`: another program's database is never written to."""
        version = int(session.run("PRAGMA user_version")[0]["user_version"])
        if version == 0 and session.run("SELECT count(*) AS n FROM sqlite_master")[0]["n"]:
            return None
        return version

    def install(self, session: Session) -> None:
        """One statement at a time: a script would commit the transaction that keeps other processes out."""
        for statement in (*tables(DIALECT), *TRIGGERS, f"PRAGMA user_version = {SCHEMA_VERSION}"):
            session.run(statement)

    def migrate(self, session: Session, version: int) -> None:
        """SQLite changes no CHECK in place: the rows are copied into a new table, as they are."""
        for kind in ("trigger", "index"):
            for found in session.run(
                "SELECT name FROM sqlite_master WHERE type = :kind AND sql IS NOT NULL", kind=kind
            ):
                session.run(f"DROP {kind} {found['name']}")
        columns = ", ".join((*VALUES, "hash"))
        session.run(f"ALTER TABLE rows RENAME TO rows_{version}")
        self.install(session)
        # The names are constants, never input.
        session.run(f"INSERT INTO rows ({columns}) SELECT {columns} FROM rows_{version} ORDER BY id")  # noqa: S608
        session.run(f"DROP TABLE rows_{version}")

    def _connect(self) -> sqlite3.Connection:
        # Never makes the file: a ledger that vanished under a running process must not come back empty.
        name = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, uri=True)
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA recursive_triggers = ON")
        return connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait so that every writer has the same chance: SQLite's own waiting starves some for minutes.

        For fairness alone. SQLite's lock keeps writers apart, so where this cannot be had they go on without.
        """
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
        except OSError:
            yield
            return
        try:
            deadline = time.monotonic() + TURN_SECONDS
            while not _locked(folder) and time.monotonic() < deadline:
                time.sleep(random.uniform(0.0, 2 * POLL_SECONDS))  # noqa: S311  nothing secret
            yield
        finally:
            # Not by closing alone: a process forked meanwhile would keep it.
            with suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_UN)
            os.close(folder)

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.commit()
        except sqlite3.Error as error:
            # Only after the journal is gone can a failing disk leave a commit that nobody confirmed.
            failing = _code(error) == sqlite3.SQLITE_IOERR
            raise self._error(error, PERHAPS_RESERVED if failing else NOTHING_RESERVED) from error

    @contextmanager
    def _explained(self, outcome: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise LedgerError(f"{self.where}: refused: {error}; the ledger is unchanged") from error
        except sqlite3.Error as error:
            raise self._error(error, outcome) from error

    def _error(self, error: sqlite3.Error, outcome: str) -> LedgerError:
        problem, remedy = PROBLEMS.get(_code(error), DAMAGED)
        return LedgerError(f"{self.where}: {problem}: {error}; {outcome}; {remedy}")


def _locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
