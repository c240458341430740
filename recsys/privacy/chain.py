"""Append-only rows, chained by hashes: what happened cannot be edited without showing.

Each row's hash covers every column and the hash of the row before it. Triggers refuse updates, deletions and
rows out of line; CHECK constraints refuse numbers that are no privacy parameters (NaN and infinities among
them). Someone who rewrites everything with new hashes is seen by the heads kept elsewhere, and by the witness
file: both know rows that the ledger then lacks. Every write is durable before it returns. The database is a
`Store`: the chain is the same in a SQLite file and in PostgreSQL.

Guarantee: a row's hash says nothing of what the row holds to somebody who does not have the row: 128 random
bits are part of it, and readers never show them. So heads and receipts, which leave the silo, cannot be
opened by guessing the few things about a row that are not public, such as its time. Rows from before there
were salts stay as they are, and verify.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recsys.errors import LedgerError
from recsys.privacy.ledger_heads import HeadMark, Witness
from recsys.privacy.ledger_schema import GENESIS, REALS, SALT, SCHEMA_VERSION, VALUES
from recsys.privacy.stores.base import NOTHING_RESERVED, Record, Session, Value, open_store
from recsys.words import counted

CLOCK_TOLERANCE = timedelta(minutes=5)
SALT_BYTES = 16


@dataclass(frozen=True)
class Verification:
    """Whether the chain is whole; if not, the first row that is wrong (1-based) and what is wrong with it."""

    ok: bool
    rows: int
    head: str
    first_bad_row: int | None = None
    problem: str | None = None


class Chain:
    """The rows of one ledger. Safe for several threads and processes: each call connects anew.

    where: a SQLite file or a `postgresql://` URL; witness: the file that keeps heads, beside the SQLite file
    when left out, none for a URL.
    """

    def __init__(self, where: Path | str, *, create: bool = True, witness: Path | None = None) -> None:
        self._store = open_store(where)
        self.where, self.path = self._store.where, self._store.path
        beside = self.path.with_name(f"{self.path.name}.heads") if self.path else None
        kept_at = witness or beside
        self._witness = Witness(kept_at) if kept_at else None
        if create:
            self._store.create()
            self._make_or_migrate()
        elif not self._store.exists():
            raise LedgerError(f"{self.where}: no such ledger; check the path, or train once to make it")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on which nothing is to be written; LedgerError if this is no ledger."""
        with self._store.reading() as session:
            if self._store.version(session) not in range(1, SCHEMA_VERSION + 1):
                raise self._no_ledger()
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction that no other writer can interleave with; durable once the block is left.

        LedgerError if the witness knows a head that the ledger lacks: an older copy was put in its place.
        """
        with self._store.writing() as session:
            if not self._migrated(session):
                raise self._no_ledger()
            before = _last(session)
            self._refuse_older_copy(session)
            yield session
            after = _last(session)
        # After the commit, so that the witness never knows more than the ledger.
        if self._witness is not None and after != before:
            self._witness.append(after)

    def append(self, session: Session, kind: str, silo: str, **values: Value) -> Record:
        """Add one row inside a `writing` block; its number, time, links and hash are made here."""
        found = session.run("SELECT id, time, hash FROM rows ORDER BY id DESC LIMIT 1")
        last: Record = found[0] if found else {"id": 0, "time": None, "hash": GENESIS}
        row: dict[str, Value] = dict.fromkeys(VALUES)
        row |= {"kind": kind, "silo": silo, "details": "{}"} | values
        row["details"] = _salted(str(row["details"]))
        row |= {name: float(value) for name, value in row.items() if name in REALS and value is not None}
        row |= {"id": last["id"] + 1, "previous": last["hash"], "time": self._time_after(last)}
        row["hash"] = row_hash(row)
        columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        # The names are constants, never input.
        session.run(f"INSERT INTO rows ({columns}) VALUES ({marks})", **row)  # noqa: S608
        return self.row(session, last["id"] + 1)

    def row(self, session: Session, number: int) -> Record:
        """One row by its number; LedgerError if there is none."""
        found = session.run("SELECT * FROM rows WHERE id = :number", number=number)
        if not found:
            raise LedgerError(f"{self.where}: row {number} does not exist; see the ledger's history")
        return found[0]

    def all_rows(self) -> list[Record]:
        """Every row, in order."""
        with self.reading() as session:
            return session.run("SELECT * FROM rows ORDER BY id")

    def head(self) -> HeadMark:
        """The last row and its hash: export it, so that a cut tail is seen later."""
        with self.reading() as session:
            return _last(session)

    def verify(self, known_heads: Iterable[str | HeadMark] = ()) -> Verification:
        """Recompute every hash and link; with heads known from elsewhere, also see a cut or rewritten ledger.

        Edits, deletions, insertions and reordering are named by the first row that is out of line; a mark
        (row and hash) that does not fit names its row, or the first row that is missing. The witness's heads
        count among the known ones.
        """
        try:
            known = [*known_heads, *(self._witness.marks() if self._witness else ())]
            return _verify(self.all_rows(), known)
        except LedgerError as error:
            return Verification(False, 0, GENESIS, None, str(error))

    def _make_or_migrate(self) -> None:
        with self._store.reading() as session:
            if self._store.version(session) == SCHEMA_VERSION:
                return
        with self._store.writing() as session:
            if self._store.version(session) == 0:
                self._store.install(session)
            else:
                self._migrated(session)

    def _migrated(self, session: Session) -> bool:
        """Bring an older version's tables to this one's; whether the tables are now this version's."""
        version = self._store.version(session)
        if version in range(1, SCHEMA_VERSION):
            self._store.migrate(session, int(version or 0))
            return True
        return version == SCHEMA_VERSION

    def _no_ledger(self) -> LedgerError:
        return LedgerError(
            f"{self.where}: not a privacy ledger of version {SCHEMA_VERSION} or older; {NOTHING_RESERVED}; "
            "check where it is, or install the newer release that wrote it"
        )

    def _refuse_older_copy(self, session: Session) -> None:
        mark = self._witness.last() if self._witness else None
        if self._witness is None or mark is None:
            return
        found = session.run("SELECT hash FROM rows WHERE id = :row", row=mark.row)
        if not found or found[0]["hash"] != mark.hash:
            state = "is another" if found else "is missing"
            raise LedgerError(
                f"{self.where}: row {mark.row}, which {self._witness.path} knows, {state}: an older copy or "
                f"another ledger was put in its place; {NOTHING_RESERVED}; bring back the newest copy"
            )

    def _time_of(self, row: Record) -> datetime:
        try:
            return datetime.fromisoformat(str(row["time"])).astimezone(UTC)
        except ValueError:
            raise LedgerError(
                f"{self.where}: row {row['id']} has no time that can be read: it was edited; "
                f"{NOTHING_RESERVED}; restore a copy"
            ) from None

    def _time_after(self, last: Record) -> str:
        """The clock's time, never before the last row's; LedgerError if the clock is far behind it."""
        time = now()
        if last["time"] is not None:
            latest = self._time_of(last)
            if time < latest - CLOCK_TOLERANCE:
                raise LedgerError(
                    f"{self.where}: the clock says {time.isoformat(timespec='seconds')}, but row "
                    f"{last['id']} was written at {latest.isoformat(timespec='seconds')}; "
                    f"{NOTHING_RESERVED}; set the clock right"
                )
            time = max(time, latest)
        return time.isoformat(timespec="microseconds")


def now() -> datetime:
    """The time of this machine's clock, UTC."""
    return datetime.now(UTC)


def row_hash(row: Mapping[str, Value]) -> str:
    """SHA-256 (hex) of the row's columns, the previous hash among them, as canonical JSON."""
    # `default`: what no ledger writes, such as bytes, must not stop a verification.
    values = {name: row[name] for name in VALUES}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _salted(details: str) -> str:
    words = json.loads(details) | {SALT: secrets.token_hex(SALT_BYTES)}
    return json.dumps(words, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _last(session: Session) -> HeadMark:
    found = session.run("SELECT id, hash FROM rows ORDER BY id DESC LIMIT 1")
    return HeadMark(found[0]["id"], found[0]["hash"]) if found else HeadMark(0, GENESIS)


def _verify(rows: list[Record], known: list[str | HeadMark]) -> Verification:
    previous = GENESIS
    for position, row in enumerate(rows, start=1):
        if problem := _problem(row, position, previous):
            return Verification(False, len(rows), rows[-1]["hash"], position, problem)
        previous = row["hash"]
    if bad := _departure(rows, known):
        return Verification(False, len(rows), previous, *bad)
    return Verification(True, len(rows), previous)


def _problem(row: Record, position: int, previous: str) -> str | None:
    if row["id"] != position:
        return f"row {position} is missing or was moved; found number {row['id']} in its place"
    if row["previous"] != previous:
        return (
            f"row {position} does not follow row {position - 1}: one was edited, deleted, inserted or moved"
        )
    if row["hash"] != row_hash(row):
        return f"row {position} was edited: its hash does not match its content"
    return None


def _departure(rows: list[Record], known: list[str | HeadMark]) -> tuple[int, str] | None:
    """The first row that differs from a known mark, or the first that is missing, and what is wrong."""
    marks = sorted(mark for mark in known if isinstance(mark, HeadMark) and mark.row > 0)
    hashes = {row["hash"] for row in rows}
    for mark in marks:
        if mark.row <= len(rows) and rows[mark.row - 1]["hash"] != mark.hash:
            return (
                mark.row,
                f"row {mark.row} is not the row that was there: the ledger was rewritten or swapped",
            )
    if marks and marks[-1].row > len(rows):
        first = len(rows) + 1
        return first, f"row {first} and later ones are gone: the tail was cut or an older copy restored"
    if lost := {head for head in known if isinstance(head, str)} - hashes - {GENESIS}:
        first = len(rows) + 1
        return (
            first,
            f"{counted(len(lost), 'exported head')} not in the ledger: its tail was cut or it was rewritten",
        )
    return None
