"""What a ledger's two databases have in common, and how each says that nothing was reserved."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.native import Connection, DatabaseError, InterfaceError

from recsys.errors import LedgerError
from recsys.privacy import accountant, chain
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.stores.postgres import PostgresStore
from recsys.privacy.stores.sqlite import SqliteStore
from tests.recsys.privacy.builders import DELTA, make_charge

RESERVE = (
    "id, kind, time, silo, noise_multiplier, sampling_rate, steps, delta, clip_norm, details, previous, hash"
)


@pytest.fixture
def ledger(postgres_url: str) -> Ledger:
    made = Ledger(postgres_url)
    made.set_cap(4.0, DELTA)
    return made


def spend(ledger: Ledger) -> None:
    ledger.set_cap(4.0, DELTA)
    ledger.commit(ledger.reserve(make_charge(PrivacyEvent(3.1, 0.1, 20), divisor=1 / 3)), 7)
    ledger.void(ledger.reserve(make_charge(PrivacyEvent(1e9 / 3))), "given up")


def test_the_same_rows_have_the_same_hashes_in_both(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "now", lambda: datetime(2026, 1, 2, tzinfo=UTC))
    monkeypatch.setattr(chain, "_salted", lambda details: details)  # salts alone differ from row to row
    file, server = Ledger(tmp_path / "ledger.sqlite"), Ledger(postgres_url)
    spend(file)
    spend(server)
    assert server.rows() == file.rows()
    assert server.head_mark() == file.head_mark()
    assert (server.verify(), server.receipts()) == (file.verify(), file.receipts())


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_opened_by_many_at_once_it_is_made_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = tmp_path / "l.sqlite" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda n: Ledger(where).record_audit("north", {"n": n}), range(6)))
    ledger = Ledger(where)
    assert sorted(rows) == [1, 2, 3, 4, 5, 6]
    assert sorted(row.details["n"] for row in ledger.rows()) == [0, 1, 2, 3, 4, 5]
    assert ledger.verify().ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET noise_multiplier = 100.0",
        "UPDATE rows SET time = time WHERE id = 99",
        "DELETE FROM rows WHERE id = 2",
        "TRUNCATE rows",
        "INSERT INTO rows SELECT * FROM rows WHERE id = 1",
        "INSERT INTO rows SELECT * FROM rows WHERE id = 1 ON CONFLICT (id) DO UPDATE SET silo = 'south'",
    ],
)
def test_postgres_neither_changes_nor_removes_rows(ledger: Ledger, postgres_url: str, statement: str) -> None:
    ledger.reserve(make_charge())
    rows = ledger.rows()
    with (
        pytest.raises(LedgerError, match=r"refused: .*(append-only|does not continue the chain)"),
        PostgresStore(postgres_url).writing() as session,
    ):
        session.run(statement)
    assert ledger.rows() == rows


class UndoneError(Exception):
    """Leaves a transaction without a trace."""


any_float = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=any_float, rate=any_float, delta=any_float, clip=any_float)
def test_postgres_itself_refuses_nonsense(
    ledger: Ledger, postgres_url: str, noise: float, rate: float, delta: float, clip: float
) -> None:
    valid = 1e-9 <= noise <= 1e9 and 0 < rate <= 1 and 0 < delta < 1 and 0 < clip <= 1e9
    values = {"noise": noise, "rate": rate, "delta": delta, "clip": clip}
    marks = "2, 'reserve', 't', 'north', :noise, :rate, 1, :delta, :clip, '{}'"
    hashes = {"previous": ledger.head(), "hash": "0" * 64}
    refused = None
    try:
        with PostgresStore(postgres_url).writing() as session:
            session.run(
                f"INSERT INTO rows ({RESERVE}) VALUES ({marks}, :previous, :hash)", **values, **hashes
            )
            raise UndoneError
    except UndoneError:
        assert valid
    except LedgerError as error:
        refused = str(error)
        assert not valid
    assert refused is None or "refused" in refused
    assert len(ledger.rows()) == 1


def test_a_connection_lost_before_the_commit_reserved_nothing(
    ledger: Ledger, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def within_and_gone(*asked: Any) -> bool:
        with PostgresStore(postgres_server).reading() as session:
            session.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'thousandfaces ledger' AND pid <> pg_backend_pid()"
            )
        return True

    monkeypatch.setattr(accountant, "within", within_and_gone)
    with pytest.raises(
        LedgerError, match=r"(no connection|database answered).*; nothing was reserved; see that"
    ):
        ledger.reserve(make_charge())
    monkeypatch.undo()
    assert ledger.events() == ()
    ledger.reserve(make_charge())


@pytest.mark.parametrize(
    ("raised", "left"),
    [
        (InterfaceError("network error"), "may have been reserved"),
        (DatabaseError({"C": "57P01", "M": "terminating\nconnection"}), "may have been reserved"),
        (DatabaseError({"C": "53100", "M": "could not extend file: No space left"}), "nothing was reserved"),
    ],
)
def test_a_commit_that_nobody_confirmed_may_have_happened(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, raised: Exception, left: str
) -> None:
    run = Connection.run

    def failing(self: Connection, sql: str, **values: Any) -> Any:
        if sql == "COMMIT":
            raise raised
        return run(self, sql, **values)

    monkeypatch.setattr(Connection, "run", failing)
    with pytest.raises(LedgerError, match=left) as lost:
        ledger.set_cap(2.0, DELTA)
    assert "\n" not in str(lost.value)


def test_a_server_that_is_gone_is_named_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(LedgerError, match="nothing was reserved") as gone:
        Ledger(f"postgresql://ana:secret@/books?host={tmp_path}/s&schema=north")
    assert f"postgresql://ana@/books?host={tmp_path}/s&schema=north: no connection" in str(gone.value)
    assert "secret" not in str(gone.value)
    with pytest.raises(LedgerError, match="Can't create a connection"):
        Ledger("postgresql://ana:secret@127.0.0.1:1/books")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ana@host/db?schema=a;b", "schema's name"),
        ("postgresql://ana@host/db?schema=North", "schema's name"),
        ("postgresql://ana@host/db?colour=red", r"unknown option \['colour'\]"),
        ("postgresql://ana@host/db?sslmode=allow", "unknown option 'allow'"),
        ("postgresql://ana@host:many/db", "port is no number"),
        ("postgresql://host/db", "give user, host and database"),
        ("postgresql://ana@host", "give user, host and database"),
        ("postgresql://ana@/db", "give user, host and database"),
    ],
)
def test_a_url_says_all_that_is_needed(url: str, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        Ledger(url)


def test_a_ledger_on_a_server_has_no_file_and_is_not_made_by_looking(postgres_url: str) -> None:
    with pytest.raises(LedgerError, match="no such ledger"):
        Ledger(postgres_url, create=False)
    assert not Ledger.exists(postgres_url)
    with pytest.raises(LedgerError, match="is no file"):
        _ = Ledger(postgres_url).path


def test_another_programs_schema_is_left_alone(postgres_url: str) -> None:
    store = PostgresStore(postgres_url)
    schema = postgres_url.rpartition("=")[2]
    with store.writing() as session:
        session.run(f"CREATE SCHEMA {schema}")
        session.run("CREATE TABLE theirs (x BIGINT)")
    with pytest.raises(LedgerError, match="not a privacy ledger"):
        Ledger(postgres_url).set_cap(1.0, DELTA)
    with store.reading() as session:
        assert session.run("SELECT to_regclass('rows') AS found") == [{"found": None}]


def opened_with(
    change: Callable[[sqlite3.Connection], object], mode: str
) -> Callable[..., sqlite3.Connection]:
    def connect(self: SqliteStore) -> sqlite3.Connection:
        uri = f"{Path(self.where).as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0.1)
        change(connection)
        return connection

    return connect


FULL = opened_with(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall(), "rw")
READ_ONLY = opened_with(lambda connection: None, "ro")


@pytest.mark.parametrize(
    ("connect", "message"),
    [(FULL, "the disk is full: .*free some space"), (READ_ONLY, "cannot be written: ")],
)
def test_a_file_that_cannot_be_written_reserves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: Any, message: str
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.set_cap(4.0, DELTA)
    monkeypatch.setattr(SqliteStore, "_connect", connect)
    with pytest.raises(LedgerError, match=message) as refused:
        ledger.reserve(make_charge(PrivacyEvent(1e6), run_id="r" * 50_000))
    assert "; nothing was reserved; " in str(refused.value)
    assert ledger.verify().ok


def test_a_file_that_another_writer_keeps_or_that_is_gone_reserves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.set_cap(4.0, DELTA)
    monkeypatch.setattr(SqliteStore, "_connect", opened_with(lambda connection: None, "rw"))
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match=r"another process kept it.*nothing was reserved; run again"):
        ledger.reserve(make_charge())
    other.close()
    monkeypatch.undo()
    ledger.path.unlink()
    with pytest.raises(LedgerError, match=r"cannot be opened: .*nothing was reserved"):
        ledger.reserve(make_charge())
    assert not ledger.path.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"cannot be made .*; nothing was reserved"):
        Ledger(tmp_path / "file" / "ledger.sqlite")
