from __future__ import annotations

from pathlib import Path

import pytest

from recsys.privacy import accountant
from recsys.privacy.budget import budget_report
from recsys.privacy.claim import statement
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Cap, Ledger
from recsys.privacy.statement import DataKind
from tests.recsys.privacy.builders import DELTA, make_charge, make_plan

NORTH = [PrivacyEvent(3.0), PrivacyEvent(2.0, 0.1, 40)]
SOUTH = [PrivacyEvent(5.0)]


@pytest.fixture
def ledgers(tmp_path: Path) -> dict[str, Ledger]:
    made = {}
    for silo, events in {"north": NORTH, "south": SOUTH}.items():
        made[silo] = Ledger(tmp_path / f"{silo}.sqlite")
        made[silo].set_cap(6.0, 1e-5 if silo == "south" else DELTA)
        for event in events:
            made[silo].reserve(make_charge(event, silo=silo))
    made["south"].commit(2, 1)
    return made


def test_the_report_composes_each_silo_and_the_worst_off_person(ledgers: dict[str, Ledger]) -> None:
    report = budget_report(ledgers, delta=DELTA)
    north, south = report.silos
    assert (north.silo, north.releases, north.open_releases) == ("north", 2, 2)
    assert (south.silo, south.releases, south.open_releases) == ("south", 1, 0)
    assert north.epsilon == accountant.epsilon(NORTH, DELTA)
    assert south.epsilon == accountant.epsilon(SOUTH, 1e-5)
    assert south.left == 6.0 - south.epsilon
    assert report.person_epsilon == accountant.epsilon([*NORTH, *SOUTH], DELTA)
    assert report.person_epsilon > max(north.epsilon, south.epsilon)
    assert north.head == ledgers["north"].head()
    one = budget_report(ledgers, max_silos_per_person=1, delta=DELTA)
    assert one.person_epsilon == pytest.approx(north.epsilon)
    assert report.to_dict()["silos"][0]["chain_ok"] is True


def test_configured_caps_stand_in_until_the_ledger_has_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l")
    report = budget_report({"north": ledger}, caps={"north": Cap(2.0, 1e-7)})
    assert (report.silos[0].cap, report.silos[0].left, report.silos[0].delta) == (2.0, 2.0, 1e-7)
    assert budget_report({"north": ledger}).silos[0].left is None
    assert budget_report({}).person_epsilon == 0.0


def test_a_mirror_stands_for_its_silos_and_a_silos_own_ledger_before_it(
    ledgers: dict[str, Ledger], tmp_path: Path
) -> None:
    mirror = Ledger(tmp_path / "mirror")
    for ledger in ledgers.values():
        for receipt in ledger.receipts():
            mirror.mirror(receipt)
    mirror.mirror(ledgers["north"].void(2, "given up"))
    report = budget_report({"mirror": mirror}, delta=DELTA)
    assert [silo.voided_releases for silo in report.silos] == [1, 0]
    assert [silo.silo for silo in report.silos] == ["north", "south"]
    assert report.person_epsilon == accountant.epsilon([*NORTH, *SOUTH], DELTA)
    both = budget_report({"mirror": mirror, "north": ledgers["north"]}, delta=DELTA)
    assert both.person_epsilon == report.person_epsilon
    assert both.silos[0].cap == 6.0


def test_a_ledger_that_mirrors_and_spends_counts_with_both(
    ledgers: dict[str, Ledger], tmp_path: Path
) -> None:
    for receipt in ledgers["south"].receipts():
        ledgers["north"].mirror(receipt)
    report = budget_report({"north": ledgers["north"]}, delta=DELTA)
    assert [silo.silo for silo in report.silos] == ["north", "south"]
    assert report.silos[0].epsilon == accountant.epsilon(NORTH, DELTA)
    assert report.person_epsilon == accountant.epsilon([*NORTH, *SOUTH], DELTA)


def test_the_statement_claims_the_ledgers_lifetime(ledgers: dict[str, Ledger]) -> None:
    plan = make_plan()
    made = statement(plan, ledgers, data_kind=DataKind.SIMULATED)
    assert made.epsilon == accountant.epsilon([*NORTH, *SOUTH], DELTA)
    assert made.run_epsilon == plan.epsilon()
    assert made.heads == {silo: ledger.head() for silo, ledger in ledgers.items()}
    assert made.silo_epsilons["north"] == accountant.epsilon(NORTH, DELTA)
    ledgers["north"].reserve(make_charge(PrivacyEvent(4.0)))
    later = statement(plan, ledgers, data_kind=DataKind.SIMULATED)
    assert later.epsilon > made.epsilon
    assert later.id != made.id


def test_a_silo_without_records_counts_as_the_whole_plan() -> None:
    plan = make_plan()
    made = statement(plan, {"north": NORTH, "south": []}, data_kind=DataKind.PRODUCTION)
    assert made.epsilon == accountant.epsilon([*NORTH, *plan.events()], DELTA)
    assert made.epsilon == statement(plan, {"north": NORTH}, data_kind=DataKind.PRODUCTION).epsilon
    assert made.heads == {}
    given = statement(plan, {"north": NORTH}, data_kind=DataKind.PRODUCTION, heads={"north": "ab"})
    assert given.heads == {"north": "ab"}


def test_one_silo_is_never_shown_as_the_person(ledgers: dict[str, Ledger]) -> None:
    made = statement(make_plan(), ledgers, data_kind=DataKind.PRODUCTION)
    assert made.epsilon > max(made.silo_epsilons.values())
    alone = statement(make_plan(max_silos_per_person=1), ledgers, data_kind=DataKind.PRODUCTION)
    assert alone.epsilon == max(alone.silo_epsilons.values())


def test_the_statement_names_every_mechanism_of_the_plan() -> None:
    notes = statement(make_plan(), {}, data_kind=DataKind.RESEARCH).mechanisms
    assert [note.name for note in notes] == ["popularity", "copurchase", "intervals", "towers"]
    assert (notes[1].clip_norm, notes[1].noise_multiplier, notes[1].steps) == (0.5, 4.0, 1)
    assert (notes[3].clip_norm, notes[3].sampling_rate, notes[3].steps) == (0.3, 0.05, 60)
    assert len(statement(make_plan(dpsgd=None), {}, data_kind=DataKind.RESEARCH).mechanisms) == 3
