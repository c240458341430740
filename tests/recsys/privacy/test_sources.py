"""Several ledgers and mirrors of one silo: each reservation counts once, and no source replaces another."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from recsys.privacy import accountant
from recsys.privacy.budget import BudgetReport, budget_report
from recsys.privacy.charged import Charged, united
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.reservations import Reservation, merged
from tests.recsys.privacy.builders import DELTA, make_charge

OLD, NEW = [PrivacyEvent(2.0)] * 9, [PrivacyEvent(1.0), PrivacyEvent(3.0)]


def ledger(path: Path, events: list[PrivacyEvent], run_id: str, silo: str = "north") -> Ledger:
    made = Ledger(path)
    made.set_cap(100.0, DELTA)
    for event in events:
        made.commit(made.reserve(make_charge(event, silo=silo, run_id=run_id)), 1)
    return made


def mirror(path: Path, *ledgers: Ledger) -> Ledger:
    made = Ledger(path)
    for one in ledgers:
        for receipt in one.receipts():
            made.mirror(receipt)
    return made


def shown(report: BudgetReport) -> list[tuple[str, int]]:
    return [(silo.silo, silo.releases) for silo in report.silos]


@pytest.fixture
def old(tmp_path: Path) -> Ledger:
    return ledger(tmp_path / "old.sqlite", OLD, "run-1")


@pytest.fixture
def new(tmp_path: Path) -> Ledger:
    return ledger(tmp_path / "new.sqlite", NEW, "run-2")


def test_nothing_that_a_source_proves_is_replaced_whatever_the_order(
    tmp_path: Path, old: Ledger, new: Ledger
) -> None:
    mirrors = [mirror(tmp_path / "m1", old), mirror(tmp_path / "m2", new)]
    both = accountant.epsilon([*OLD, *NEW], DELTA)
    for given in (mirrors, [mirrors[0], new], [old, new], [old, mirrors[1]], [old, new, *mirrors]):
        reports = [
            budget_report(dict(zip(names, order, strict=False)), delta=DELTA)
            for order in permutations(given)
            for names in (["north", "x", "y", "z"], ["w", "x", "y", "north"])
        ]
        assert {tuple(shown(report)) for report in reports} == {(("north", 11),)}
        assert [report.person_epsilon for report in reports] == [pytest.approx(both)] * len(reports)
        assert [report.silos[0].epsilon for report in reports] == [pytest.approx(both)] * len(reports)
        assert {report.silos[0].open_releases for report in reports} == {0}


def test_a_receipt_that_the_silos_own_ledger_lacks_counts_and_is_said(
    tmp_path: Path, old: Ledger, new: Ledger
) -> None:
    kept = mirror(tmp_path / "mirror", old)
    (silo,) = budget_report({"north": new, "mirror": kept}, delta=DELTA).silos
    assert silo.epsilon == pytest.approx(accountant.epsilon([*OLD, *NEW], DELTA))
    (line,) = silo.contradictions
    assert line.startswith(f"north: the mirror {kept.where} holds receipts of 9 charges")
    assert f"that the ledger {new.where} does not: it was replaced or rewritten" in line
    empty = Ledger(tmp_path / "empty.sqlite")
    (lost,) = budget_report({"north": empty, "mirror": kept}, delta=DELTA).silos
    assert lost.epsilon == pytest.approx(accountant.epsilon(OLD, DELTA))
    assert len(lost.contradictions) == 1


def test_copies_and_mirrors_of_a_whole_ledger_change_nothing(tmp_path: Path, old: Ledger) -> None:
    alone = budget_report({"north": old}, delta=DELTA)
    copy = tmp_path / "copy.sqlite"
    shutil.copy(old.path, copy)
    kept = {f"m{n}": mirror(tmp_path / f"m{n}", old) for n in range(2)}
    everything = budget_report({"north": old, "copy": Ledger(copy), **kept}, delta=DELTA)
    assert everything == alone
    assert everything.silos[0].contradictions == ()


def test_an_old_copy_is_said_and_takes_nothing_away(tmp_path: Path, old: Ledger) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(old.path, copy)
    old.reserve(make_charge(PrivacyEvent(5.0)))
    (silo,) = budget_report({"copy": Ledger(copy), "north": old}, delta=DELTA).silos
    assert (silo.releases, silo.open_releases) == (10, 1)
    assert [line.split(" holds ")[0] for line in silo.contradictions] == [f"north: the ledger {old.where}"]


def test_a_mirror_shows_which_of_its_silos_reservations_are_open_or_void(tmp_path: Path, old: Ledger) -> None:
    old.reserve(make_charge(PrivacyEvent(5.0)))
    old.void(old.reserve(make_charge(PrivacyEvent(6.0))), "given up")
    for given in ({"north": old}, {"m": mirror(tmp_path / "m", old)}):
        (silo,) = budget_report(given, delta=DELTA).silos
        assert (silo.releases, silo.open_releases, silo.voided_releases) == (11, 1, 1)


def random_reservations(rng: random.Random) -> list[Reservation]:
    """A source: some of few possible rows, some without a plan, some that contradict other sources."""
    found = []
    for number in rng.sample(range(6), rng.randint(0, 6)):
        silos = frozenset(rng.choice(["", "ab", "ab", "a"]))
        charged = Charged("run", PrivacyEvent(1.0 + rng.choice([0, 0, 1])), silos, 1 if silos else None)
        marks = [(number, rng.choice("xxy")), (number + 100, "z")]
        found.append(Reservation(number, frozenset(rng.sample(marks, rng.randint(1, 2))), charged))
    return found


def test_no_source_is_made_smaller_by_others(counted: Callable[[int, int], int]) -> None:
    for seed in range(counted(300, 20_000)):
        rng = random.Random(seed)
        sources = [random_reservations(rng) for _ in range(3)]
        whole = merged([one for source in sources for one in source])
        again = merged([one for source in reversed(sources) for one in reversed(source)])
        assert whole == again, seed
        for source in sources:
            assert merged([*source, *source]) == merged(source), seed
            assert len(whole) >= len(source), seed
            for event in {one.charged.event for one in source}:
                held = sum(one.charged.event == event for one in whole)
                assert held >= sum(one.charged.event == event for one in source), seed


def test_two_accounts_of_a_silo_are_united_and_older_words_are_the_same_charges() -> None:
    full = [Charged(run, PrivacyEvent(2.0), frozenset("ab"), 2) for run in ("r1", "r1", "r2")]
    bare = [Charged("", one.event) for one in full]
    without = [replace(one, silos=frozenset(), max_silos_per_person=None) for one in full]
    for other in (full, bare, without, full[:1], []):
        assert sorted(map(repr, united(full, other))) == sorted(map(repr, united(other, full)))
        assert sorted(map(repr, united(full, other))) == sorted(map(repr, full))
    assert len(united(full, [*bare, bare[0]])) == 4
    assert len(united(full, [Charged("r3", PrivacyEvent(2.0)), Charged("r1", PrivacyEvent(3.0))])) == 5
