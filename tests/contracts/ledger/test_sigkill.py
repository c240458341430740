"""kill -9 at every code point of a charged release: recorded is at least actual, and spending goes on."""

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from experiments.evidence.bars import Bar
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.ledger_heads import Witness
from tests.contracts.ledger.children import Tell, fork
from tests.contracts.ledger.places import kind_of
from tests.contracts.ledger.points import DURABLE, POINTS, Watch
from tests.contracts.ledger.spending import keeper, spend, uncovered
from tests.recsys.privacy.builders import DELTA, make_charge
from training.spend import Reservation

CAP = 2.0
NOISE = 1000.0

pytestmark = [pytest.mark.evidence, pytest.mark.usefixtures("warm")]


def spend_until(point: str, where: str, noise: float, tell: Tell, *, witness: Path | None = None) -> None:
    ledger, watch = Ledger(where, witness=witness), Watch(point)
    watch.arm()
    spend(ledger, noise, watch.telling(tell))


def spend_on(where: str, seed: int, tell: Tell) -> None:
    ledger, chosen = Ledger(where), random.Random(seed)
    while True:
        spend(ledger, NOISE + chosen.random(), tell)


@pytest.fixture
def ledger(where: str) -> Ledger:
    made = Ledger(where)
    made.set_cap(CAP, DELTA)
    return made


def charges(ledger: Ledger) -> int:
    return sum(row.kind == "reserve" for row in ledger.rows())


def test_killed_at_a_code_point_recorded_is_at_least_actual(
    ledger: Ledger, where: str, counted, evidence
) -> None:
    times = counted(1, 100)
    told: list[list[str]] = []
    keep = keeper(told)
    for point in POINTS:
        for number in range(times):
            before = charges(ledger)
            noise = NOISE + len(told)
            lines, code = fork(partial(spend_until, point, where, noise)).end()
            assert code == -signal.SIGKILL, f"'{point}' was never reached"
            told += lines
            assert charges(ledger) - before == (point in DURABLE), f"{point}, kill {number}"
            assert uncovered(ledger, lines) == [], f"{point}, kill {number}"
        assert ledger.verify().ok, point
        spend(Ledger(where), NOISE, keep)
    left = [words[3] for words in told if words[0] == "left"]
    # Three of the points are after the hand-over; the parent spends once after each point.
    assert len(left) == len(set(left)) == 3 * times + len(POINTS)
    evidence(
        f"ledger under SIGKILL, {kind_of(where)}",
        bar="nothing drawn or handed over without a charge, after every kill and at the end",
        measured=f"{len(POINTS)} points x {times} kills: {len(left)} sums left, {charges(ledger)} charged",
        bars=[Bar("draws and sums without a charge", len(uncovered(ledger, told)), at_most=0)],
    )


def test_killed_from_outside_at_any_time_recorded_is_at_least_actual(
    ledger: Ledger, where: str, counted, evidence
) -> None:
    times, chosen = counted(5, 200), random.Random(os.urandom(8))
    told: list[list[str]] = []
    for seed in range(times):
        begin, child = time.monotonic(), fork(partial(spend_on, where, seed))
        child.wait_until_it_tells()
        # Opening, reserving and drawing took that long: the kill falls anywhere into the next release or two.
        time.sleep(chosen.uniform(0.0, time.monotonic() - begin))
        child.kill()
        lines, code = child.end()
        assert code == -signal.SIGKILL
        told += lines
        assert uncovered(ledger, lines) == []
    assert ledger.verify().ok
    drawn = sum(words[0] == "drawn" for words in told)
    evidence(
        f"ledger killed from outside at random times, {kind_of(where)}",
        bar="nothing drawn without a charge, after every kill and at the end",
        measured=f"{times} kills: {drawn} drawn, {charges(ledger)} recorded",
        bars=[
            Bar("draws and sums without a charge", len(uncovered(ledger, told)), at_most=0),
            # A kill takes the draw of one charge at most.
            Bar("charges without a draw", charges(ledger) - drawn, at_least=0, at_most=times),
        ],
    )


@pytest.mark.parametrize("point", ["noise drawn", "sum handed over"])
def test_an_older_copy_cannot_hide_what_a_killed_process_drew(
    where: str, tmp_path: Path, ledger: Ledger, point: str
) -> None:
    witness = tmp_path / "kept.heads"
    lines, code = fork(partial(spend_until, point, where, NOISE, witness=witness)).end()
    assert code == -signal.SIGKILL
    known = max(mark.row for mark in Witness(witness).marks())
    assert lines
    assert all(int(words[1]) <= known for words in lines), "nothing is drawn before the heads know its row"


def test_a_ledger_that_writes_when_it_commits_would_be_seen(
    ledger: Ledger, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = iter(range(1000, 2000))
    monkeypatch.setattr(Ledger, "reserve", lambda self, charge: next(number))
    monkeypatch.setattr(
        Reservation, "commit", lambda self: self._ledger.reserve(make_charge(PrivacyEvent(NOISE)))
    )
    lines, code = fork(partial(spend_until, "sum handed over", where, NOISE)).end()
    assert code == -signal.SIGKILL
    assert [words[0] for words in uncovered(ledger, lines)] == ["drawn", "left"]
