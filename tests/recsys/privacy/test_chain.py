"""Tampering by someone who can write the file and drop the triggers."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.errors import LedgerError
from recsys.privacy.chain import GENESIS, Chain, Verification, row_hash
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.ledger_schema import VALUES
from tests.recsys.privacy.builders import DELTA, make_charge

ROWS = 9


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ledger = Ledger(tmp_path_factory.mktemp("chain") / "ledger.sqlite")
    ledger.set_cap(8.0, DELTA)
    for steps in (5, 6, 7, 8):
        ledger.commit(ledger.reserve(make_charge(PrivacyEvent(5.0, 0.1, steps))), steps)
    assert len(ledger.rows()) == ROWS
    return ledger.path


def tampered(original: Path, *statements: str) -> Verification:
    path = original.with_name("tampered.sqlite")
    shutil.copy(original, path)
    with sqlite3.connect(path) as raw:
        for trigger in ("no_update", "no_delete", "in_line", "closes_a_reservation"):
            raw.execute(f"DROP TRIGGER {trigger}")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            raw.execute(statement)
    raw.close()
    return Ledger(path, create=False).verify()


def test_an_untouched_ledger_is_whole(original: Path) -> None:
    result = tampered(original)
    assert result == Verification(True, ROWS, Ledger(original).head(), None, None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(1, ROWS), column=st.sampled_from([name for name in VALUES if name != "id"]))
def test_any_edit_of_any_column_names_its_row(original: Path, row: int, column: str) -> None:
    result = tampered(original, f"UPDATE rows SET {column} = '7777' WHERE id = {row}")
    assert (result.ok, result.first_bad_row) == (False, row)


def test_an_edited_hash_names_its_row(original: Path) -> None:
    assert tampered(original, f"UPDATE rows SET hash = '{'e' * 64}' WHERE id = 4").first_bad_row == 4


@pytest.mark.parametrize("row", range(1, ROWS))
def test_a_deleted_row_is_missed(original: Path, row: int) -> None:
    assert tampered(original, f"DELETE FROM rows WHERE id = {row}").first_bad_row == row
    renumbered = f"UPDATE rows SET id = id - 1 WHERE id > {row}"
    result = tampered(original, f"DELETE FROM rows WHERE id = {row}", renumbered)
    assert (result.ok, result.first_bad_row) == (False, row)
    assert result.problem is not None
    assert f"row {row}" in result.problem


def test_an_inserted_row_is_seen(original: Path) -> None:
    columns = ", ".join(name for name in VALUES if name not in ("id",))
    moved = ["UPDATE rows SET id = -id WHERE id > 4", "UPDATE rows SET id = 1 - id WHERE id < 0"]
    inserted = (
        f"INSERT INTO rows (id, {columns}, hash) SELECT 5, {columns}, '{'b' * 64}' FROM rows WHERE id = 2"
    )
    assert tampered(original, *moved, inserted).first_bad_row == 5
    appended = (
        f"INSERT INTO rows (id, {columns}, hash) SELECT 10, {columns}, '{'b' * 64}' FROM rows WHERE id = 2"
    )
    assert tampered(original, appended).first_bad_row == 10


def test_swapped_rows_are_seen(original: Path) -> None:
    swap = ["UPDATE rows SET id = -4 WHERE id = 4", "UPDATE rows SET id = 4 WHERE id = 6"]
    assert tampered(original, *swap, "UPDATE rows SET id = 6 WHERE id = -4").first_bad_row == 4


def test_a_cut_tail_or_a_ledger_written_anew_shows_against_an_exported_head(original: Path) -> None:
    head = Ledger(original).head()
    assert tampered(original, "DELETE FROM rows WHERE id > 7").ok
    cut = Ledger(original.with_name("tampered.sqlite"))
    result = cut.verify([head])
    assert (result.ok, result.first_bad_row) == (False, 8)
    assert "tail was cut" in str(result.problem)
    assert Ledger(original).verify([head, GENESIS]).ok
    rewrite(cut.path)
    assert cut.verify().ok
    assert not cut.verify([head]).ok


def rewrite(path: Path) -> None:
    """What a patient forger does: less spent, every hash computed again."""
    with sqlite3.connect(path) as raw:
        raw.row_factory = sqlite3.Row
        raw.execute("UPDATE rows SET noise_multiplier = 500.0 WHERE kind = 'reserve'")
        previous = GENESIS
        for row in raw.execute("SELECT * FROM rows ORDER BY id").fetchall():
            made = {**{name: row[name] for name in VALUES}, "previous": previous}
            previous = row_hash(made)
            raw.execute(
                "UPDATE rows SET previous = ?, hash = ? WHERE id = ?", [made["previous"], previous, row["id"]]
            )
    raw.close()


def test_a_damaged_ledger_spends_nothing_more(original: Path) -> None:
    tampered(original, "DELETE FROM rows WHERE id IN (6, 7)")
    with pytest.raises(LedgerError, match="row 6 is missing or was moved; found number 8 in its place"):
        Ledger(original.with_name("tampered.sqlite")).reserve(make_charge())


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="not a privacy ledger"):
        Ledger(path).set_cap(1.0, DELTA)
    assert path.read_bytes() == before


def test_what_the_database_refuses_leaves_the_ledger_unchanged(original: Path) -> None:
    chain = Chain(original)
    with pytest.raises(LedgerError, match="refused: no such reservation"), chain.writing() as connection:
        chain.append(connection, "void", "north", reservation=99)
    assert chain.verify().rows == ROWS
