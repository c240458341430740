"""A ledger in a schema of a PostgreSQL database, through pg8000; commits are flushed before they return."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from recsys.errors import LedgerError
from recsys.privacy.ledger_schema import SCHEMA_VERSION, Dialect, tables
from recsys.privacy.stores.base import (
    BUSY_SECONDS,
    NOTHING_RESERVED,
    PERHAPS_RESERVED,
    Record,
    Session,
    Value,
)

if TYPE_CHECKING:
    from pg8000.native import Connection

DEFAULT_SCHEMA = "thousandfaces"
DIALECT = Dialect("BIGINT", "DOUBLE PRECISION", "{} IS NOT NULL", "{} IS NOT NULL")
REFUSED = "USING ERRCODE = 'integrity_constraint_violation'"
FUNCTION = "RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS"
TRIGGERS = (
    f"CREATE FUNCTION refuse_change() {FUNCTION} $$ BEGIN "
    f"RAISE EXCEPTION 'the ledger is append-only' {REFUSED}; END $$",
    "CREATE TRIGGER no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    # Constants, never input.
    f"""CREATE FUNCTION refuse_out_of_line() {FUNCTION} $$ BEGIN
IF NEW.id IS DISTINCT FROM (SELECT coalesce(max(id), 0) + 1 FROM rows)
    OR NEW.previous IS DISTINCT FROM coalesce(
        (SELECT hash FROM rows ORDER BY id DESC LIMIT 1), repeat('0', 64)) THEN
    RAISE EXCEPTION 'the row does not continue the chain' {REFUSED};
END IF;
IF NEW.kind IN ('commit', 'void') AND NOT EXISTS (
    SELECT 1 FROM rows
    WHERE id = NEW.reservation AND kind = 'reserve' AND steps >= coalesce(NEW.steps, 0)) THEN
    RAISE EXCEPTION 'no such reservation, or more steps than reserved' {REFUSED};
END IF;
RETURN NEW; END $$""",  # noqa: S608
    "CREATE TRIGGER in_line BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION refuse_out_of_line()",
)
INTEGRITY = "23"
# SQLSTATE classes after which a commit may have happened: the connection or the server went away.
UNSURE = ("08", "57", "58", "XX")
REMEDY = "see that the database is up, reachable and writable for this user, then run again"


class _PostgresSession:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statement: str, **values: Value) -> list[Record]:
        rows = self._connection.run(statement, **values) or []
        names = [column["name"] for column in self._connection.columns or ()]
        return [dict(zip(names, row, strict=True)) for row in rows]


class PostgresStore:
    """One schema: `postgresql://user[:password]@host[:port]/database[?schema=NAME][&sslmode=verify-full]`.

    Without `sslmode` the connection is encrypted where the server offers it, unverified. The password may
    come from the environment (PGPASSWORD) instead; `host=FOLDER` in the query names the folder of a local
    server's socket.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        self._schema = query.pop("schema", DEFAULT_SCHEMA)
        self.where = _without_password(parts, query, self._schema)
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", self._schema):
            raise LedgerError(f"{self.where}: the schema's name may hold a-z, 0-9 and _; rename it")
        self._address = _address(parts, query, self.where)

    @property
    def path(self) -> Path | None:
        """There is no file."""
        return None

    def exists(self) -> bool:
        """Whether the schema holds anything."""
        with self.reading() as session:
            return self.version(session) != 0

    def create(self) -> None:
        """Nothing to make outside the transaction that installs the tables."""

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A connection on which nothing is to be written."""
        with self._explained(NOTHING_RESERVED), self._connected() as connection:
            yield _PostgresSession(connection)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """BEGIN, an advisory lock that every writer of this schema takes, the block, COMMIT."""
        with self._explained(NOTHING_RESERVED), self._connected() as connection:
            connection.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            try:
                connection.run("SELECT pg_advisory_xact_lock(hashtext(:schema))", schema=self._schema)
                yield _PostgresSession(connection)
            except BaseException:
                # A lost connection cannot roll back; the server then does.
                with suppress(*_errors()):
                    connection.run("ROLLBACK")
                raise
            with self._explained(PERHAPS_RESERVED):
                connection.run("COMMIT")

    def version(self, session: Session) -> int | None:
        """From the table `ledger_version`: a schema with other tables is never written to."""
        found = session.run(
            "SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = :schema AND c.relkind IN ('r', 'v', 'm', 'p')",
            schema=self._schema,
        )
        if {row["name"] for row in found} >= {"ledger_version", "rows"}:
            return int(session.run("SELECT max(version) AS version FROM ledger_version")[0]["version"])
        return None if found else 0

    def install(self, session: Session) -> None:
        """Make the schema, its tables and triggers."""
        session.run(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        for statement in (*tables(DIALECT), *TRIGGERS):
            session.run(statement)
        session.run("CREATE TABLE ledger_version (version BIGINT NOT NULL)")
        session.run("INSERT INTO ledger_version (version) VALUES (:version)", version=SCHEMA_VERSION)

    def migrate(self, session: Session, version: int) -> None:  # noqa: ARG002
        """No version before the current one was ever kept in PostgreSQL."""
        raise LedgerError(f"{self.where}: version {version} was never kept in PostgreSQL; restore a copy")

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        native = _driver()
        connection = native.Connection(
            **self._address,
            timeout=BUSY_SECONDS + 30,
            application_name="thousandfaces ledger",
            startup_params={
                "search_path": self._schema,
                "synchronous_commit": "on",
                "lock_timeout": f"{BUSY_SECONDS * 1000:.0f}",
            },
        )
        try:
            yield connection
        finally:
            with suppress(*_errors()):
                connection.close()

    @contextmanager
    def _explained(self, outcome: str) -> Iterator[None]:
        """The driver's errors as LedgerErrors; `outcome` says what a lost connection leaves behind."""
        database_error, *lost = _errors()
        try:
            yield
        except database_error as error:
            raise self._answered(error, outcome) from error
        except tuple(lost) as error:
            raise LedgerError(f"{self.where}: no connection ({error}); {outcome}; {REMEDY}") from error

    def _answered(self, error: Exception, outcome: str) -> LedgerError:
        told = error.args[0] if error.args and isinstance(error.args[0], dict) else {"M": str(error)}
        code, message = str(told.get("C", "")), " ".join(str(told.get("M", "")).split())
        if code.startswith(INTEGRITY):
            return LedgerError(f"{self.where}: refused: {message}; the ledger is unchanged")
        left = outcome if code.startswith(UNSURE) else NOTHING_RESERVED
        return LedgerError(f"{self.where}: the database answered: {message} ({code}); {left}; {REMEDY}")


def _driver() -> Any:
    try:
        import pg8000.native as native
    except ModuleNotFoundError:
        raise LedgerError(
            "a ledger in PostgreSQL needs the package pg8000; "
            "install it with: pip install 'thousandfaces[postgres]'"
        ) from None
    return native


def _errors() -> tuple[type[Exception], ...]:
    """What the driver raises: first the server's answers, then what stands for a lost connection."""
    native = _driver()
    return native.DatabaseError, native.InterfaceError, OSError


def _without_password(parts: SplitResult, query: dict[str, str], schema: str) -> str:
    """The URL as messages show it and commands take it."""
    place = f"{parts.username or ''}@{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"postgresql://{place}?{urlencode({**query, 'schema': schema}, safe='/')}"


def _address(parts: SplitResult, query: dict[str, str], where: str) -> dict[str, Any]:
    socket, mode = query.pop("host", None), query.pop("sslmode", "prefer")
    if query or mode not in ("prefer", "verify-full"):
        raise LedgerError(
            f"{where}: unknown option {sorted(query) or mode!r}; a ledger's URL knows schema, host and "
            "sslmode (prefer or verify-full)"
        )
    try:
        port = parts.port or 5432
    except ValueError:
        raise LedgerError(f"{where}: the port is no number; correct the URL") from None
    database = unquote(parts.path.strip("/"))
    if not parts.username or not database or not (socket or parts.hostname):
        raise LedgerError(f"{where}: give user, host and database: postgresql://user@host/database")
    return {
        "user": unquote(parts.username),
        "password": unquote(parts.password or "") or os.environ.get("PGPASSWORD"),
        "database": database,
        "host": parts.hostname,
        "port": port,
        "unix_sock": f"{socket}/.s.PGSQL.{port}" if socket else None,
        "ssl_context": _encryption(mode, on_this_machine=socket is not None),
    }


def _encryption(mode: str, *, on_this_machine: bool) -> ssl.SSLContext | bool | None:
    """What the driver takes: a context (required and verified), None (if the server offers it), False."""
    if mode == "verify-full":
        return ssl.create_default_context()
    # Nothing to encrypt on a socket of this machine; the driver would load all certificates each time.
    return False if on_this_machine else None
