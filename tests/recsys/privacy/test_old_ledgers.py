"""Ledgers from before rows held salts and the plan's silos verify, are shown, and go on."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from recsys.privacy import accountant
from recsys.privacy.budget import budget_report
from recsys.privacy.charge import Receipt
from recsys.privacy.ledger import Ledger, planned_charge
from recsys.privacy.ledger_schema import SALT
from tests.recsys.privacy.builders import DELTA, make_plan

DATA = Path(__file__).with_name("data")


def restored(name: str, folder: Path) -> Ledger:
    path = folder / f"{name}.sqlite"
    raw = sqlite3.connect(path)
    raw.executescript((DATA / f"{name}_2026_11.sql").read_text())
    raw.close()
    return Ledger(path, create=False)


def test_an_old_ledger_is_read_shown_and_gone_on_with(tmp_path: Path) -> None:
    ledger, plan = restored("north", tmp_path), make_plan()
    assert ledger.verify().ok
    old, before = ledger.head_mark(), budget_report({"north": ledger}, delta=DELTA)
    assert (before.silos[0].releases, before.silos[0].open_releases, before.silos[0].cap) == (3, 1, 8.0)
    assert before.person_epsilon == pytest.approx(accountant.epsilon(ledger.events(), DELTA))
    assert all(not one.silos and one.max_silos_per_person == 2 for one in ledger.charges())
    who = {
        "silo": "north",
        "run_id": "run-3",
        "purpose": "training",
        "requester": "ana",
        "snapshot_hmac": "h",
    }
    ledger.commit(ledger.reserve(planned_charge(plan, "popularity", **who)), 1)  # type: ignore[arg-type]
    assert ledger.verify([old]).ok
    after = budget_report({"north": ledger}, delta=DELTA)
    assert after.not_given == ("south",)
    assert after.person_epsilon > before.person_epsilon
    raw = sqlite3.connect(ledger.path)
    salted = [SALT in json.loads(words) for (words,) in raw.execute("SELECT details FROM rows ORDER BY id")]
    raw.close()
    assert salted == [False] * 6 + [True] * 2


def test_an_old_mirror_knows_the_receipts_that_it_is_sent_again(tmp_path: Path) -> None:
    mirror, ledger = restored("mirror", tmp_path), restored("north", tmp_path)
    assert mirror.verify().ok
    report = budget_report({"mirror": mirror}, delta=DELTA)
    assert [silo.silo for silo in report.silos] == ["north"]
    assert (report.silos[0].open_releases, report.silos[0].voided_releases) == (1, 1)
    rows = len(mirror.rows())
    for receipt in ledger.receipts():
        assert not mirror.mirror(receipt), "times of commits are told otherwise now; the rows are the same"
    assert len(mirror.rows()) == rows


def test_an_old_receipt_is_read_and_a_new_one_keeps_its_plan(tmp_path: Path) -> None:
    ledger, plan = Ledger(tmp_path / "l"), make_plan()
    ledger.set_cap(8.0, DELTA)
    who = {"silo": "north", "run_id": "r", "purpose": "training", "requester": "ana", "snapshot_hmac": "h"}
    ledger.reserve(planned_charge(plan, "popularity", **who))  # type: ignore[arg-type]
    (receipt,) = ledger.receipts()
    assert Receipt.from_json(receipt.to_json()) == receipt
    assert (receipt.silos, receipt.max_silos_per_person) == (("north", "south"), 2)
    assert receipt.plan_events == plan.events()
    fields = json.loads(receipt.to_json())
    for name in ("silos", "max_silos_per_person", "plan_events"):
        del fields[name]
    without = Receipt.from_json(json.dumps(fields))
    assert without == replace(receipt, silos=(), max_silos_per_person=None, plan_events=())


def test_a_mirror_shows_the_same_person_as_the_ledgers_that_it_mirrors(tmp_path: Path) -> None:
    plan, mirror = make_plan(max_silos_per_person=1), Ledger(tmp_path / "mirror")
    ledgers = {silo: Ledger(tmp_path / silo) for silo in plan.registered_customers}
    for silo, ledger in ledgers.items():
        ledger.set_cap(8.0, DELTA)
        for mechanism in ("popularity", "towers") if silo == "north" else ("popularity",):
            charge = planned_charge(
                plan,
                mechanism,
                silo=silo,
                run_id="r",
                purpose="training",
                requester="ana",
                snapshot_hmac="h",
            )
            ledger.reserve(charge)
        for receipt in ledger.receipts():
            mirror.mirror(receipt)
    shown = [
        budget_report(given, delta=DELTA).person_epsilon
        for given in (ledgers, {"m": mirror}, {"south": ledgers["south"]})
    ]
    assert shown[0] == shown[1] == accountant.epsilon(ledgers["north"].events(), DELTA)
    assert shown[2] == accountant.epsilon(plan.events(), DELTA), "north's ledger is not given: the whole plan"
