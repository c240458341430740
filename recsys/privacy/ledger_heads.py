"""Heads: the hash of a row, kept apart from the ledger, by which a cut tail or an old copy is seen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from recsys.errors import LedgerError

HEX = frozenset("0123456789abcdef")
TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, order=True)
class HeadMark:
    """That row number `row` of a ledger had this hash (hex); row 0 stands for the empty ledger."""

    row: int
    hash: str


class Witness:
    """A text file beside the ledger that is appended to after each durable commit: `row hash`, a line each.

    It may lag behind the ledger (a process died in between), and lines of concurrent writers may be out of
    order; it never leads. So a ledger that lacks what the witness knows is an older copy, or another file.
    Whoever can write both can bring both back: heads exported elsewhere see that too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def marks(self) -> list[HeadMark]:
        """Every head that was kept, in the file's order; a line torn by a crash is passed over."""
        return _parse(self._read(0))

    def last(self) -> HeadMark | None:
        """The newest head kept. Only the file's end is read: concurrent lines are never far out of order."""
        return max(_parse(self._read(TAIL_BYTES)), default=None)

    def append(self, mark: HeadMark) -> None:
        """Keep a head that is durable in the ledger. LedgerError if the file cannot be written."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, b"\n" * torn + f"{mark.row} {mark.hash}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LedgerError(
                f"{self.path}: cannot be written ({error.strerror}), though row {mark.row} of the ledger is "
                "kept and what it reserved is spent; repair the folder or the disk before going on"
            ) from error

    def _read(self, tail: int) -> str:
        """The file's last `tail` bytes (0: all of it); nothing if there is no file yet."""
        try:
            with self.path.open("rb") as file:
                start = max(0, os.fstat(file.fileno()).st_size - tail) if tail else 0
                file.seek(start)
                return file.read().decode("ascii", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise LedgerError(
                f"{self.path}: cannot be read ({error.strerror}); nothing was reserved; "
                "give this process the right to read it"
            ) from error


def _parse(text: str) -> list[HeadMark]:
    found = []
    for line in text.splitlines():
        row, _, digest = line.partition(" ")
        if row.isdecimal() and len(digest) == 64 and set(digest) <= HEX:
            found.append(HeadMark(int(row), digest))
    return found
