"""Code points of one charged release, and a way to die at each: by what the database's driver is told."""

from __future__ import annotations

import functools
import os
import re
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

from pg8000.core import CoreConnection

from recsys.privacy import accountant
from recsys.privacy.mechanisms import SecureNoise
from tests.contracts.ledger.children import Tell

POINTS = {
    "before the transaction": "reserve: before begin",
    "transaction begun": "reserve: after begin",
    "cap read": "reserve: after cap",
    "past events read": "reserve: after events",
    "accountant asked": "reserve: after accountant",
    "row about to be inserted": "reserve: before insert",
    "row inserted": "reserve: after insert",
    "about to commit": "reserve: before commit",
    "reservation durable": "reserve: after commit",
    "noise drawn": "release: after noise",
    "sum handed over": "release: after left",
    "commit row inserted": "release: after insert",
    "commit row durable": "release: after commit",
}
DURABLE = frozenset(list(POINTS)[8:])
"""From here on the reservation must be found in the ledger; noise exists at the last five points only."""

_STATEMENTS = (
    ("begin", r"begin"),
    ("commit", r"commit"),
    ("cap", r"select .*'cap'"),
    ("events", r"select .*noise_multiplier.*'reserve'"),
    ("insert", r"insert into"),
)


class Watch:
    """Follows one charged release in this process, and acts at one point of it: dies, by default."""

    def __init__(self, point: str, act: Callable[[], None] | None = None) -> None:
        self._point, self._act = POINTS[point], act or _die
        self._phase, self._inserted = "reserve", False

    def arm(self) -> None:
        """From now on; for good: the process is a child that is to end."""
        sqlite3.connect = functools.partial(sqlite3.connect, factory=_watched_connection(self.statement))
        for name in ("execute_simple", "execute_unnamed"):
            setattr(CoreConnection, name, _watched_method(getattr(CoreConnection, name), self.statement))
        accountant.within = self._then(accountant.within, "after accountant")
        SecureNoise.normal = self._then(SecureNoise.normal, "after noise")

    def telling(self, tell: Tell) -> Tell:
        """`tell`, after which it dies if the point is that the sum was handed over."""

        def told(line: str) -> None:
            if line.startswith("drawn"):
                self._phase, self._inserted = "release", False
            tell(line)
            if line.startswith("left"):
                self._reached("after left")

        return told

    def statement(self, when: str, sql: str) -> None:
        """What the driver is told, before and after it has done it."""
        text = " ".join(sql.split()).lower()
        kind = next((kind for kind, pattern in _STATEMENTS if re.match(pattern, text)), "other")
        # A commit that wrote no row is another transaction's.
        if kind != "commit" or self._inserted:
            self._reached(f"{when} {kind}")
        self._inserted |= kind == "insert"

    def _reached(self, place: str) -> None:
        if f"{self._phase}: {place}" == self._point:
            self._point = ""
            self._act()

    def _then(self, call: Callable[..., Any], place: str) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            result = call(*arguments, **named)
            self._reached(place)
            return result

        return watched


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


Hook = Callable[[str, str], None]


def _watched_connection(hook: Hook) -> type[sqlite3.Connection]:
    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            hook("before", sql)
            result = super().execute(sql, *values)
            hook("after", sql)
            return result

        def commit(self) -> None:
            hook("before", "COMMIT")
            super().commit()
            hook("after", "COMMIT")

    return Watched


def _watched_method(execute: Callable[..., Any], hook: Hook) -> Callable[..., Any]:
    def watched(self: CoreConnection, statement: str, *values: Any, **named: Any) -> Any:
        hook("before", statement)
        result = execute(self, statement, *values, **named)
        hook("after", statement)
        return result

    return watched
