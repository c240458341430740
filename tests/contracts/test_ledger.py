"""What the ledger promises whatever happens to the processes that use it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.errors import BudgetExceededError, LedgerError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from tests.recsys.privacy.builders import DELTA, make_charge

ROOT = Path(__file__).parents[2]
CAP = 2.0

RESERVE_ONE = """
import sys, time
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from tests.recsys.privacy.builders import make_charge
ledger = Ledger(sys.argv[1])
print(ledger.reserve(make_charge(PrivacyEvent(3.0))), flush=True)
time.sleep(600)
"""

RESERVE_ALL = """
import sys
from recsys.errors import BudgetExceededError
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from tests.recsys.privacy.builders import make_charge
ledger, noise = Ledger(sys.argv[1]), float(sys.argv[2])
try:
    while True:
        print(ledger.reserve(make_charge(PrivacyEvent(noise))), flush=True)
except BudgetExceededError:
    print("refused", flush=True)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite")
    made.set_cap(CAP, DELTA)
    return made


def test_a_process_killed_between_reserve_and_commit_has_spent(ledger: Ledger) -> None:
    process = start(RESERVE_ONE, ledger.path)
    assert process.stdout is not None
    number = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    again = Ledger(ledger.path)
    assert again.events() == (PrivacyEvent(3.0),)
    assert [row.id for row in again.open_reservations()] == [number]
    assert again.verify().ok
    with pytest.raises(BudgetExceededError):
        again.reserve(make_charge(PrivacyEvent(3.0)))


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_a_reservation_is_on_the_disk_before_it_is_known(ledger: Ledger, lines: int) -> None:
    process = start(RESERVE_ALL, ledger.path, 1e6)
    assert process.stdout is not None
    known = [int(process.stdout.readline()) for _ in range(lines)]
    time.sleep(0.003)  # anywhere in the next transaction
    process.kill()
    known += [int(line) for line in process.stdout.read().split()]
    process.wait()
    again = Ledger(ledger.path)
    assert set(known) <= {row.id for row in again.rows() if row.kind == "reserve"}
    assert len(again.events()) - len(known) in (0, 1)
    assert again.verify().ok
    assert again.reserve(make_charge(PrivacyEvent(1e6))) == len(again.rows())


def test_processes_together_never_overspend(ledger: Ledger) -> None:
    noise = 9.0
    processes = [start(RESERVE_ALL, ledger.path, noise) for _ in range(2)]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [output[-1] for output in outputs] == ["refused", "refused"]
    numbers = [int(word) for output in outputs for word in output[:-1]]
    assert len(set(numbers)) == len(numbers) == len(ledger.events())
    assert accountant.epsilon(ledger.events(), DELTA) <= CAP
    assert accountant.epsilon([*ledger.events(), PrivacyEvent(noise)], DELTA) > CAP
    assert ledger.verify().ok


def test_nothing_is_committed_without_a_reservation(ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        ledger.commit(1, 1)
    raw = sqlite3.connect(ledger.path)
    commit = "INSERT INTO rows (id, kind, time, silo, reservation, steps, details, previous, hash)"
    with pytest.raises(sqlite3.IntegrityError, match="no such reservation"):
        raw.execute(
            f"{commit} VALUES (2, 'commit', 't', 'north', 1, 1, '{{}}', '{ledger.head()}', '{'a' * 64}')"
        )
    raw.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET noise_multiplier = 100.0",
        "UPDATE rows SET time = time",
        "DELETE FROM rows",
        "DELETE FROM rows WHERE id = 2",
        "REPLACE INTO rows SELECT * FROM rows WHERE id = 1",
        "INSERT OR REPLACE INTO rows SELECT * FROM rows WHERE id = 2",
        "UPDATE OR REPLACE rows SET id = 1 WHERE id = 2",
    ],
)
def test_rows_are_neither_changed_nor_removed(ledger: Ledger, statement: str) -> None:
    ledger.reserve(make_charge(PrivacyEvent(9.0)))
    rows = ledger.rows()
    raw = sqlite3.connect(ledger.path, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|does not continue the chain"):
        raw.execute(statement)
    raw.close()
    assert ledger.rows() == rows


charges = st.lists(
    st.tuples(
        st.floats(2.0, 30.0),
        st.sampled_from([1.0, 1.0, 0.1]),
        st.integers(1, 20),
        st.sampled_from(["reserve", "commit", "void"]),
    ),
    max_size=5,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(charges)
def test_whatever_is_asked_the_cap_holds_and_nothing_is_refunded(
    tmp_path: Path, asked: list[tuple[float, float, int, str]]
) -> None:
    ledger = Ledger(Path(tempfile.mkdtemp(dir=tmp_path)) / "ledger.sqlite")
    ledger.set_cap(CAP, DELTA)
    granted: list[PrivacyEvent] = []
    for noise, rate, steps, then in asked:
        event = PrivacyEvent(noise, rate, steps)
        fits = accountant.within([*granted, event], CAP, DELTA)
        try:
            number = ledger.reserve(make_charge(event))
        except BudgetExceededError:
            assert not fits
            continue
        assert fits
        granted.append(event)
        if then == "commit":
            ledger.commit(number, steps // 2)
        elif then == "void":
            ledger.void(number, "given up")
    assert list(ledger.events()) == granted
    assert ledger.epsilon(DELTA) <= CAP
    assert ledger.verify().ok
