"""Earlier releases used a person in three silos; a later plan that counts one would claim too little."""

from pathlib import Path

import pytest

from recsys.errors import PlanError
from recsys.privacy import accountant
from recsys.privacy.claim import statement
from recsys.privacy.ledger import Ledger, planned_charge
from recsys.privacy.plan import PrivacyPlan, calibrate
from recsys.privacy.statement import DataKind

SILOS = {"a": 1000, "b": 1000, "c": 1000}


def plan_for(max_silos: int) -> PrivacyPlan:
    return calibrate(
        target_epsilon=4.0,
        delta=1e-6,
        max_silos_per_person=max_silos,
        registered_customers=SILOS,
        shares={"popularity": 1.0},
        clip_norms={"popularity": 1.0},
    )


def reserve(ledger: Ledger, silo: str, plan: PrivacyPlan) -> None:
    words = {"silo": silo, "run_id": "r", "purpose": "training", "requester": "t", "snapshot_hmac": "0" * 64}
    ledger.reserve(planned_charge(plan, "popularity", **words))


def test_the_bound_on_silos_is_never_lowered_in_a_ledgers_lifetime(tmp_path: Path) -> None:
    ledgers = {silo: Ledger(tmp_path / f"{silo}.sqlite") for silo in SILOS}
    for silo, ledger in ledgers.items():
        ledger.set_cap(50.0, 1e-6)
        reserve(ledger, silo, plan_for(3))
        with pytest.raises(PlanError, match="in up to 3 silos"):
            reserve(ledger, silo, plan_for(1))
        reserve(ledger, silo, plan_for(3))
    stated = statement(plan_for(3), ledgers, data_kind=DataKind.SIMULATED).epsilon
    person = [event for ledger in ledgers.values() for event in ledger.events()]
    assert stated >= accountant.epsilon(person, 1e-6)


def test_a_higher_bound_counts_everything_in_more_silos(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "a.sqlite")
    ledger.set_cap(50.0, 1e-6)
    for bound in (1, 2, 3):
        reserve(ledger, "a", plan_for(bound))
    assert len(ledger.events()) == 3
