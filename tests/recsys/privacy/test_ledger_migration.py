"""A ledger of the first version is opened, verified, migrated and gone on with."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from recsys.errors import BudgetExceededError, LedgerError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.ledger_schema import SCHEMA_VERSION, VALUES
from recsys.privacy.stores.sqlite import SqliteStore
from tests.recsys.privacy.builders import DELTA, make_charge

V1 = Path(__file__).with_name("ledger_v1.sql").read_text()


def version_of(path: Path) -> int:
    raw = sqlite3.connect(path)
    version = int(raw.execute("PRAGMA user_version").fetchone()[0])
    raw.close()
    return version


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Rows in the tables of version 1: one cap, two reservations, one of them committed, and a receipt."""
    new = Ledger(tmp_path / "new.sqlite")
    new.set_cap(4.0, DELTA)
    new.commit(new.reserve(make_charge(PrivacyEvent(3.0, 0.1, 20))), 3)
    in_words = make_charge(PrivacyEvent(5.0), divisor=2.5)
    object.__setattr__(in_words, "purpose", "training a model")  # as the first version took it
    new.reserve(in_words)
    new.mirror(new.receipts()[0])
    path = tmp_path / "old.sqlite"
    raw = sqlite3.connect(path)
    raw.executescript(V1)
    columns = ", ".join((*VALUES, "hash"))
    raw.execute("ATTACH ? AS new", [str(new.path)])
    raw.execute(f"INSERT INTO main.rows ({columns}) SELECT {columns} FROM new.rows ORDER BY id")
    raw.commit()
    raw.close()
    assert version_of(path) == 1
    return path


def test_looking_at_an_old_ledger_changes_nothing(old: Path) -> None:
    before = old.read_bytes()
    ledger = Ledger(old, create=False)
    assert ledger.verify().ok
    assert (len(ledger.rows()), len(ledger.events()), ledger.owner()) == (5, 3, "north")
    assert ledger.cap() is not None
    assert ledger.waiting() == ()
    assert ledger.epsilon(DELTA) > 0
    assert old.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_writing_migrates_it_whole(old: Path, create: bool) -> None:
    rows, head = Ledger(old, create=False).rows(), Ledger(old, create=False).head_mark()
    ledger = Ledger(old, create=create)
    number = ledger.reserve(make_charge(PrivacyEvent(6.0)))
    assert number == head.row + 1
    assert version_of(old) == SCHEMA_VERSION
    assert ledger.rows()[:-1] == rows
    assert ledger.verify([head]).ok
    ledger.approve("f" * 64, "ben")
    with pytest.raises(LedgerError, match="has its commit"):
        ledger.commit(2, 1)
    raw = sqlite3.connect(old, isolation_level=None)
    tables = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("rows",)]
    for statement in ("UPDATE rows SET silo = 'south'", "DELETE FROM rows"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
    raw.close()


def test_a_purpose_in_words_counts_for_every_purpose(old: Path) -> None:
    ledger = Ledger(old)
    ledger.set_cap(accountant.epsilon([PrivacyEvent(5.0)], DELTA) + 0.01, DELTA, "audit")
    with pytest.raises(BudgetExceededError, match="for purpose 'audit'"):
        ledger.reserve(make_charge(PrivacyEvent(6.0), purpose="audit"))
    ledger.reserve(make_charge(PrivacyEvent(6.0), purpose="evaluation"))


def test_an_edit_made_under_the_old_version_still_shows(old: Path) -> None:
    with sqlite3.connect(old) as raw:
        raw.execute("DROP TRIGGER no_update")
        raw.execute("UPDATE rows SET noise_multiplier = 30.0 WHERE id = 2")
    raw.close()
    assert Ledger(old).verify().first_bad_row == 2


def test_a_migration_that_fails_leaves_the_old_ledger(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install = SqliteStore.install

    def failing(self: SqliteStore, session: object) -> None:
        install(self, session)  # type: ignore[arg-type]
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(SqliteStore, "install", failing)
    with pytest.raises(LedgerError, match="disk I/O error"):
        Ledger(old)
    monkeypatch.undo()
    assert version_of(old) == 1
    assert Ledger(old, create=False).verify().rows == 5


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.set_cap(4.0, DELTA)
    with sqlite3.connect(ledger.path) as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    raw.close()
    for use in (
        ledger.rows,
        lambda: ledger.set_cap(1.0, DELTA),
        lambda: Ledger(ledger.path).reserve(make_charge()),
    ):
        with pytest.raises(LedgerError, match=r"not a privacy ledger of version 2 or older.*newer release"):
            use()
