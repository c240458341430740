"""Where a ledger's rows are kept: what the chain asks of a database, and the choice between the two."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

BUSY_SECONDS = 60.0
NOTHING_RESERVED = "nothing was reserved"
PERHAPS_RESERVED = (
    "it may have been reserved, and is then spent: look with 'thousandfaces budget history' before going on"
)
URL_SCHEMES = ("postgresql://", "postgres://")

Value = str | int | float | None
Record = dict[str, Any]


class Session(Protocol):
    """One connection. Statements are the same in every database; values are named `:like_this`."""

    def run(self, statement: str, **values: Value) -> list[Record]:
        """The rows that a statement gives, as dictionaries by column."""
        ...


class Store(Protocol):
    """A database that keeps one ledger. Every call connects anew, so processes and threads may share one.

    Errors of the database are LedgerErrors of one line that say whether anything was reserved.
    """

    @property
    def where(self) -> str:
        """How messages name it: the path, or the URL without its password."""
        ...

    @property
    def path(self) -> Path | None:
        """The file, if it is one."""
        ...

    def exists(self) -> bool:
        """Whether anything is there."""
        ...

    def create(self) -> None:
        """Make an empty place for the rows, readable by its owner only, if there is none."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A session on which nothing is written."""
        ...

    def writing(self) -> AbstractContextManager[Session]:
        """One transaction that no other writer interleaves with; durable once the block is left."""
        ...

    def version(self, session: Session) -> int | None:
        """The version of the ledger's tables: 0 if nothing is there, None if it is another program's."""
        ...

    def install(self, session: Session) -> None:
        """Make the tables of the current version in an empty place."""
        ...

    def migrate(self, session: Session, version: int) -> None:
        """Bring the tables from an older version to the current one, keeping every row."""
        ...


def is_url(where: Path | str) -> bool:
    """Whether this names a PostgreSQL database rather than a file."""
    return str(where).startswith(URL_SCHEMES)


def open_store(where: Path | str) -> Store:
    """The store at a path (SQLite) or at a `postgresql://` URL. Raises LedgerError for a URL that is none."""
    if is_url(where):
        from recsys.privacy.stores.postgres import PostgresStore

        return PostgresStore(str(where))
    from recsys.privacy.stores.sqlite import SqliteStore

    return SqliteStore(Path(where))
