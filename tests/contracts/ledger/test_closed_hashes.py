"""What leaves a silo as a hash or a digest cannot be opened by guessing what is behind it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from recsys.privacy.chain import row_hash
from recsys.privacy.charge import Receipt
from recsys.privacy.ledger import Ledger
from recsys.privacy.ledger_schema import SALT, VALUES
from tests.recsys.privacy.builders import DELTA, make_charge

MICROSECONDS = 1_000_000
MARK = "\x00"


@pytest.fixture
def committed(tmp_path: Path) -> tuple[Ledger, Receipt, dict[str, Any]]:
    """A ledger, the receipt of a commit, and the row behind it as it is stored."""
    ledger = Ledger(tmp_path / "north.sqlite")
    ledger.set_cap(4.0, DELTA)
    receipt = ledger.commit(ledger.reserve(make_charge()), 1)
    raw = sqlite3.connect(ledger.path)
    raw.row_factory = sqlite3.Row
    row = dict(raw.execute("SELECT * FROM rows WHERE id = ?", [receipt.row]).fetchone())
    raw.close()
    return ledger, receipt, row


@pytest.mark.evidence
def test_guessing_the_time_does_not_open_a_receipts_hash(
    committed: tuple[Ledger, Receipt, dict[str, Any]],
    counted: Callable[[int, int], int],
    evidence: Callable[..., None],
) -> None:
    _, receipt, row = committed
    true = int(row["time"][20:26])
    count = counted(2_000, MICROSECONDS)
    first = max(0, min(true - count // 2, MICROSECONDS - count))
    words = {name: value for name, value in json.loads(row["details"]).items() if name != SALT}
    unsalted = {**row, "details": json.dumps(words, sort_keys=True, separators=(",", ":"))}
    assert opened(row, row["hash"], range(first, first + count)) == [true], (
        "who has the salt opens it at once"
    )
    found = opened(unsalted, receipt.hash, range(first, first + count))
    assert found == []
    evidence(
        "a receipt's hash, guessed",
        bar="no microsecond of its second gives the hash; with the salt exactly one does",
        measured=f"{count} microseconds tried, {len(found)} found",
    )


def opened(row: dict[str, Any], wanted: str, microseconds: range) -> list[int]:
    """The microseconds with which the row, otherwise as it is, has this hash."""
    time = str(row["time"])
    values = {name: row[name] for name in VALUES} | {"time": MARK}
    before, after = json.dumps(values, sort_keys=True, separators=(",", ":")).split(json.dumps(MARK)[1:-1])
    found = []
    for guess in microseconds:
        text = f"{before}{time[:20]}{guess:06d}{time[26:]}{after}"
        if sha256(text.encode()).hexdigest() == wanted:
            found.append(guess)
    return found


def test_the_guesses_are_hashed_as_the_ledger_does(
    committed: tuple[Ledger, Receipt, dict[str, Any]],
) -> None:
    _, receipt, row = committed
    assert row_hash(row) == receipt.hash


def test_the_salt_is_in_every_row_and_in_nothing_that_is_shown(
    committed: tuple[Ledger, Receipt, dict[str, Any]], tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from training.cli.budget import budget

    ledger, _, _ = committed
    mirror = Ledger(tmp_path / "mirror.sqlite")
    for receipt in ledger.receipts():
        mirror.mirror(receipt)
        assert not mirror.mirror(receipt), "the salt of the mirror's own row does not make it another receipt"
    raw = sqlite3.connect(ledger.path)
    salts = [json.loads(words)[SALT] for (words,) in raw.execute("SELECT details FROM rows")]
    raw.close()
    assert len(set(salts)) == len(salts) == 3
    assert all(len(bytes.fromhex(salt)) == 16 for salt in salts)
    told = [CliRunner().invoke(budget, [*verb, "--ledger", str(ledger.path)]).stdout for verb in VERBS]
    told += [receipt.to_json() for receipt in ledger.receipts()]
    assert all(told)
    assert not any(salt in text for salt in salts for text in told)


VERBS = (["history", "--json"], ["export", "--out", "-"], ["status", "--json"], ["verify", "--json"])


def test_receipts_and_exports_have_the_time_of_the_reservation_in_whole_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime, timedelta

    from click.testing import CliRunner

    from recsys.privacy import chain
    from training.cli.budget import budget

    clock = [datetime(2026, 12, 1, 8, 0, 0, 123456, UTC)]
    monkeypatch.setattr(chain, "now", lambda: clock[0])
    ledger = Ledger(tmp_path / "north.sqlite")
    ledger.set_cap(4.0, DELTA)
    rows = [ledger.reserve(make_charge()), ledger.reserve(make_charge())]
    clock[0] += timedelta(seconds=77)
    ledger.commit(rows[0], 1)
    ledger.void(rows[1], "given up")
    assert [receipt.kind for receipt in ledger.receipts()] == ["reserve", "reserve", "commit", "void"]
    assert {receipt.time for receipt in ledger.receipts()} == {"2026-12-01T08:00:00"}
    exported = CliRunner().invoke(budget, ["export", "--ledger", str(ledger.path), "--out", "-"]).stdout
    assert {row["time"] for row in json.loads(exported)["ledgers"][0]["rows"]} == {"2026-12-01T08:00:00"}
    assert ledger.rows()[-1].time.startswith("2026-12-01T08:01:17.123456"), "the silo's own view has all"
