"""DuckDB as it is used here: in memory, offline, silent."""

from __future__ import annotations

import duckdb

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def connect() -> duckdb.DuckDBPyConnection:
    """A connection of its own, to be closed (`with`); it fetches no extensions and draws no progress bars."""
    connection = duckdb.connect(config=OFFLINE)
    connection.execute("set enable_progress_bar = false")
    return connection
