"""What several checks need of one build: made once while they run, and forgotten with the build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar
from unittest.mock import patch

import duckdb

from recsys.data.duck import OFFLINE
from recsys.silos import raw

T = TypeVar("T")

_made: list[dict[object, Any]] = []
"""Of the builds that are judged now, the last one's."""


@contextmanager
def one_build() -> Iterator[None]:
    """What `once_for_a_build` makes inside is kept until the end; files are read by one DuckDB.

    Opening a database takes longer than reading a file of the bench. How a file is read is as ever.
    """
    with ExitStack() as stack:
        stack.enter_context(patch.object(raw, "connect", _connection))
        _made.append({})
        stack.callback(_forgotten)
        yield


def once_for_a_build(make: Callable[[], T]) -> Callable[[], T]:
    """Made once for each build that is judged; anew each time where none is."""

    @wraps(make)
    def made() -> T:
        if not _made:
            return make()
        kept = _made[-1]
        if make not in kept:
            kept[make] = make()
        found: T = kept[make]
        return found

    return made


def _connection() -> duckdb.DuckDBPyConnection:
    """A connection of its own to the process's database, which holds nothing."""
    kept, process = _made[-1], os.getpid()
    if process not in kept:
        kept[process] = duckdb.connect(config=OFFLINE)
        kept[process].execute("set enable_progress_bar = false")
    found: duckdb.DuckDBPyConnection = kept[process].cursor()
    return found


def _forgotten() -> None:
    if database := _made.pop().get(os.getpid()):
        database.close()
