"""Heads kept beside a ledger and elsewhere, against cut tails, swapped files, old copies; and the clock."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recsys.errors import LedgerError
from recsys.privacy import chain
from recsys.privacy.chain import GENESIS
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import HeadMark, Ledger
from recsys.privacy.ledger_heads import TAIL_BYTES, Witness
from tests.recsys.privacy.builders import DELTA, make_charge


def make(path: Path, releases: int, noise: float = 50.0) -> Ledger:
    ledger = Ledger(path)
    ledger.set_cap(8.0, DELTA)
    for _ in range(releases):
        ledger.reserve(make_charge(PrivacyEvent(noise)))
    return ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make(tmp_path / "ledger.sqlite", 4)


def witness_of(ledger: Ledger) -> Witness:
    return Witness(ledger.path.with_name(ledger.path.name + ".heads"))


def marks_of(ledger: Ledger) -> list[HeadMark]:
    return [HeadMark(row.id, row.hash) for row in ledger.rows()]


def cut(ledger: Ledger, after: int) -> None:
    with sqlite3.connect(ledger.path) as raw:
        raw.execute("DROP TRIGGER no_delete")
        raw.execute("DELETE FROM rows WHERE id > ?", [after])
    raw.close()


def test_every_commit_leaves_its_head_with_the_witness(ledger: Ledger) -> None:
    assert witness_of(ledger).marks() == marks_of(ledger)
    assert witness_of(ledger).last() == ledger.head_mark() == HeadMark(5, ledger.head())
    assert witness_of(ledger).path.stat().st_mode & 0o077 == 0
    before = witness_of(ledger).path.read_bytes()
    ledger.set_cap(8.0, DELTA)
    with pytest.raises(LedgerError):
        ledger.commit(99, 1)
    assert witness_of(ledger).path.read_bytes() == before


def test_an_older_copy_is_not_spent_from(ledger: Ledger) -> None:
    old = ledger.path.with_name("backup")
    shutil.copy(ledger.path, old)
    ledger.reserve(make_charge())
    ledger.reserve(make_charge())
    shutil.copy(old, ledger.path)
    found = Ledger(ledger.path).verify()
    assert (found.ok, found.first_bad_row) == (False, 6)
    assert "row 6 and later ones are gone: the tail was cut or an older copy restored" in str(found.problem)
    with pytest.raises(LedgerError, match=r"row 6 and later ones are gone.*nothing was reserved"):
        Ledger(ledger.path).reserve(make_charge())
    # A process that verified the ledger before it was replaced.
    with pytest.raises(LedgerError, match=r"row 7, which .*heads knows, is missing.*nothing was reserved"):
        ledger.reserve(make_charge())
    for write in (lambda: ledger.set_cap(99.0, DELTA), lambda: ledger.commit(2, 1)):
        with pytest.raises(LedgerError, match="older copy"):
            write()


def test_a_ledger_that_is_taken_away_does_not_come_back_empty(ledger: Ledger) -> None:
    ledger.path.unlink()
    with pytest.raises(LedgerError, match="older copy or another ledger"):
        Ledger(ledger.path).set_cap(8.0, DELTA)


def test_another_ledger_in_its_place_is_named_by_the_row_where_it_departs(
    ledger: Ledger, tmp_path: Path
) -> None:
    other = make(tmp_path / "other.sqlite", 9, noise=70.0)
    exported = marks_of(ledger)
    shutil.copy(other.path, ledger.path)
    found = Ledger(ledger.path).verify()
    assert (found.ok, found.first_bad_row) == (False, 1)
    assert "row 1 is not the row that was there" in str(found.problem)
    assert other.verify(exported[3:]).first_bad_row == 4
    with pytest.raises(LedgerError, match=r"row 5, which .* knows, is another"):
        ledger.reserve(make_charge())


def test_exported_marks_name_the_first_row_that_is_gone(ledger: Ledger) -> None:
    exported = marks_of(ledger)
    assert ledger.verify([*exported, HeadMark(0, GENESIS), GENESIS]).ok
    witness_of(ledger).path.unlink()
    cut(ledger, after=3)
    assert Ledger(ledger.path).verify().ok
    for known in (exported, exported[-1:]):
        found = ledger.verify(known)
        assert (found.ok, found.first_bad_row) == (False, 4)
    assert ledger.verify(exported[:3]).ok


def test_a_witness_may_lag_and_its_lines_may_be_torn_or_out_of_order(ledger: Ledger) -> None:
    witness = witness_of(ledger)
    lines = witness.path.read_text().splitlines()
    witness.path.write_text("\n".join([lines[3], lines[0], lines[2]]) + "\n5 abc")
    assert (witness.last(), len(witness.marks())) == (HeadMark(4, lines[3][2:]), 3)
    ledger.reserve(make_charge())
    assert witness.path.read_text().splitlines()[3:] == ["5 abc", f"6 {ledger.head()}"]
    assert ledger.verify().ok
    witness.path.unlink()
    ledger.reserve(make_charge())
    assert witness.marks() == [ledger.head_mark()]


def test_a_long_witness_is_read_from_its_end(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "heads")
    lines = [f"{row} {row:064x}\n" for row in range(1, 2001)]
    witness.path.write_text("".join(lines))
    assert witness.path.stat().st_size > TAIL_BYTES
    assert witness.last() == HeadMark(2000, f"{2000:064x}")
    assert len(witness.marks()) == 2000


def test_a_witness_that_cannot_be_written_is_said_and_the_row_stays(ledger: Ledger, tmp_path: Path) -> None:
    closed = Ledger(ledger.path, witness=tmp_path / "none" / "heads")
    with pytest.raises(LedgerError, match=r"cannot be written .*row 6 of the ledger is kept") as failed:
        closed.reserve(make_charge())
    assert "is spent" in str(failed.value)
    assert len(closed.events()) == 5
    unreadable = Ledger(ledger.path, witness=tmp_path)
    with pytest.raises(LedgerError, match=r"cannot be read .*nothing was reserved"):
        unreadable.set_cap(1.0, DELTA)


def test_a_ledger_on_a_server_may_have_a_witness_in_the_silo(postgres_url: str, tmp_path: Path) -> None:
    ledger = Ledger(postgres_url, witness=tmp_path / "heads")
    ledger.set_cap(4.0, DELTA)
    ledger.reserve(make_charge())
    assert Witness(tmp_path / "heads").marks() == marks_of(ledger)
    with (tmp_path / "heads").open("a") as lines:
        lines.write(f"3 {'a' * 64}\n")
    with pytest.raises(LedgerError, match=r"row 3, which .* is missing"):
        ledger.reserve(make_charge())
    assert Ledger(postgres_url).verify().ok


@pytest.mark.parametrize("behind", [timedelta(days=1), timedelta(minutes=6)])
def test_a_clock_set_back_reserves_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, behind: timedelta
) -> None:
    last = datetime.fromisoformat(ledger.rows()[-1].time)
    monkeypatch.setattr(chain, "now", lambda: last - behind)
    with pytest.raises(LedgerError, match=r"the clock says .*nothing was reserved; set the clock") as refused:
        ledger.reserve(make_charge())
    for time in (last, last - behind):
        assert time.isoformat(timespec="seconds") in str(refused.value)
    assert len(ledger.events()) == 4


def test_times_never_run_backwards(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    last = datetime.fromisoformat(ledger.rows()[-1].time)
    for seconds in (-240, 5, -240):
        monkeypatch.setattr(chain, "now", lambda seconds=seconds: last + timedelta(seconds=seconds))
        ledger.reserve(make_charge(PrivacyEvent(50.0)))
    times = [datetime.fromisoformat(row.time) for row in ledger.rows()]
    assert times == sorted(times)
    assert times[-3:] == [last, last + timedelta(seconds=5), last + timedelta(seconds=5)]
    assert times[0].tzinfo == UTC


def test_a_time_that_was_edited_reserves_nothing(ledger: Ledger) -> None:
    ledger.verify()
    with sqlite3.connect(ledger.path) as raw:
        raw.execute("DROP TRIGGER no_update")
        raw.execute("UPDATE rows SET time = 'noon' WHERE id = 5")
    raw.close()
    with pytest.raises(LedgerError, match=r"row 5 has no time.*nothing was reserved"):
        ledger.set_cap(2.0, DELTA)
