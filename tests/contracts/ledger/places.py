"""The databases behind a ledger's place, and how somebody with a database tool gets at its rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import pg8000.native


def kind_of(where: str) -> str:
    """The database's name, for the evidence."""
    return "PostgreSQL" if where.startswith("postgresql") else "SQLite"


class Raw:
    """A connection of somebody who has a database tool."""

    def __init__(self, database: _Database) -> None:
        self._database = database

    def run(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """The rows that one statement gives; it is durable at once."""
        return self._database.run(statement, values)

    def drop_triggers(self) -> None:
        """Nothing guards the rows from now on."""
        self._database.drop_triggers()

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the ledger, in order."""
        return self.run("SELECT * FROM rows ORDER BY id")

    def insert(self, row: dict[str, Any]) -> None:
        """Put in a row as it is."""
        marks = ", ".join(f":{name}" for name in row)
        self.run(f"INSERT INTO rows ({', '.join(row)}) VALUES ({marks})", **row)

    def copy(self, number: int, changes: dict[str, Any]) -> None:
        """Put in a copy of a row, with changes."""
        (row,) = self.run("SELECT * FROM rows WHERE id = :number", number=number)
        self.insert(row | changes)


@contextmanager
def guarded(where: str) -> Iterator[Raw]:
    """Access to a ledger's rows past its code, under the triggers that guard them."""
    database = (_Postgres if kind_of(where) == "PostgreSQL" else _Sqlite)(where)
    with closing(database):
        yield Raw(database)


@contextmanager
def raw(where: str) -> Iterator[Raw]:
    """Access to a ledger's rows, without triggers."""
    with guarded(where) as database:
        database.drop_triggers()
        yield database


def socket_of(where: str) -> Path:
    """Where the server of a PostgreSQL ledger listens."""
    url = urlsplit(where)
    return Path(parse_qs(url.query)["host"][0]) / f".s.PGSQL.{url.port or 5432}"


class _Database(Protocol):
    def run(self, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]: ...

    def drop_triggers(self) -> None: ...

    def close(self) -> None: ...


class _Sqlite:
    def __init__(self, where: str) -> None:
        self._connection = sqlite3.connect(where, isolation_level=None)
        self._connection.row_factory = sqlite3.Row

    def run(self, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.execute(statement, values)]

    def drop_triggers(self) -> None:
        for found in self.run("SELECT name FROM sqlite_master WHERE type = 'trigger'", {}):
            self.run(f"DROP TRIGGER {found['name']}", {})

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    def __init__(self, where: str) -> None:
        url = urlsplit(where)
        schema = parse_qs(url.query)["schema"][0]
        self._connection = pg8000.native.Connection(
            url.username,
            database=url.path.strip("/"),
            unix_sock=str(socket_of(where)),
            startup_params={"search_path": schema},
        )

    def run(self, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        rows = self._connection.run(statement, **values) or []
        names = [column["name"] for column in self._connection.columns or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def drop_triggers(self) -> None:
        self.run("ALTER TABLE rows DISABLE TRIGGER ALL", {})

    def close(self) -> None:
        self._connection.close()
