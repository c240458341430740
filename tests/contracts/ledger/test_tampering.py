"""A ledger that somebody edited behind its back: `verify` names the row, and nothing more is spent."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.errors import LedgerError
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import HeadMark, Ledger
from tests.contracts.ledger.places import Raw, kind_of, raw
from tests.contracts.ledger.tampers import LAST, SHOWN_BY_HEADS, SHOWN_BY_THE_CHAIN
from tests.recsys.privacy.builders import DELTA, make_charge

CHARGES = LAST - 1
"""The first row is the cap."""

pytestmark = pytest.mark.evidence


def written(where: str, witness: Path | None = None, charges: int = CHARGES) -> list[HeadMark]:
    """A ledger of a cap and some charges; the marks of all its rows, as an auditor may have kept them."""
    ledger = Ledger(where, witness=witness)
    ledger.set_cap(2.0, DELTA)
    for number in range(charges):
        ledger.reserve(make_charge(PrivacyEvent(20.0 + number)))
    return [HeadMark(row.id, row.hash) for row in ledger.rows()]


@pytest.mark.parametrize("tamper", SHOWN_BY_THE_CHAIN, ids=lambda tamper: tamper.__name__)
def test_what_breaks_the_chain_is_named_and_stops_spending(
    where: str, tamper: Callable[[Raw], None], evidence
) -> None:
    written(where)
    with raw(where) as database:
        tamper(database)
    check_found(where, None, SHOWN_BY_THE_CHAIN[tamper])
    record(evidence, where, tamper.__name__, SHOWN_BY_THE_CHAIN[tamper])


@pytest.mark.parametrize("tamper", SHOWN_BY_HEADS, ids=lambda tamper: tamper.__name__)
def test_a_chain_made_whole_again_is_seen_by_heads_and_witness(
    where: str, tmp_path: Path, tamper: Callable[[Raw], None], evidence
) -> None:
    witness = tmp_path / "kept.heads"
    marks = written(where, witness)
    with raw(where) as database:
        tamper(database)
    without = Ledger(where, witness=tmp_path / "another.heads")
    assert without.verify().ok, "the chain alone shows nothing: the test has teeth only with the heads"
    assert without.verify(marks).first_bad_row == SHOWN_BY_HEADS[tamper]
    assert not without.verify([marks[-1].hash]).ok
    check_found(where, witness, SHOWN_BY_HEADS[tamper])
    record(evidence, where, tamper.__name__, SHOWN_BY_HEADS[tamper])


def test_another_valid_ledger_in_its_place_is_seen(
    where: str, another_place: str, tmp_path: Path, evidence
) -> None:
    witness = tmp_path / "kept.heads"
    marks = written(where, witness)
    written(another_place, tmp_path / "another.heads", charges=CHARGES + 3)
    swapped = Ledger(another_place, witness=tmp_path / "none.heads")
    assert swapped.verify().ok
    assert swapped.verify(marks).first_bad_row == 1
    check_found(another_place, witness, 1)
    record(evidence, where, "swap file", 1)


def test_an_old_copy_that_is_restored_is_seen(where: str, tmp_path: Path, evidence) -> None:
    witness = tmp_path / "kept.heads"
    written(where, witness, charges=3)
    with raw(where) as database:
        old = database.rows()
    marks = written(where, witness, charges=3)
    with raw(where) as database:
        database.run("DELETE FROM rows")
        for row in old:
            database.insert(row)
    assert Ledger(where, witness=tmp_path / "none.heads").verify().ok
    assert Ledger(where, witness=tmp_path / "none.heads").verify(marks).first_bad_row == len(old) + 1
    check_found(where, witness, len(old) + 1)
    record(evidence, where, "restore old copy", len(old) + 1)


def test_an_old_copy_of_the_file_is_seen_by_a_process_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    written(str(path), charges=3)
    shutil.copy(path, tmp_path / "old.sqlite")
    running = Ledger(path)
    running.reserve(make_charge(PrivacyEvent(40.0)))
    shutil.copy(tmp_path / "old.sqlite", path)
    with pytest.raises(LedgerError, match="older copy"):
        running.reserve(make_charge(PrivacyEvent(40.0)))


def check_found(where: str, witness: Path | None, row: int) -> None:
    """`verify` names the row, `reserve` refuses in one line, and nothing is added."""
    ledger = Ledger(where, witness=witness)
    found = ledger.verify()
    assert not found.ok
    assert found.first_bad_row == row
    assert f"row {row}" in str(found.problem)
    before = ledger.rows()
    with pytest.raises(LedgerError, match=f"row {row}.*nothing was reserved") as refused:
        ledger.reserve(make_charge(PrivacyEvent(40.0)))
    assert "\n" not in str(refused.value)
    assert ledger.rows() == before


def record(evidence: Callable[..., None], where: str, what: str, row: int) -> None:
    evidence(
        f"tampering, {kind_of(where)}: {what.replace('_', ' ')}",
        bar="detected, the row named, nothing spent afterwards",
        measured=f"detected, row {row} named, reserve refused",
    )
