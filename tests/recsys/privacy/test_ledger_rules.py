"""Caps by purpose, and approval by a second person."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.errors import ApprovalRequiredError, BudgetExceededError, LedgerError, PlanError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Cap, Ledger, planned_charge
from recsys.privacy.ledger_approval import policy_fingerprint
from tests.recsys.privacy.builders import DELTA, make_charge, make_plan

PLAN, OTHER = "f" * 64, "e" * 64
EVENT = PrivacyEvent(3.0)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    sqlite = request.param == "sqlite"
    made = Ledger(tmp_path / "ledger.sqlite" if sqlite else request.getfixturevalue("postgres_url"))
    made.set_cap(8.0, DELTA)
    return made


def test_a_charge_fits_under_its_purposes_cap_and_the_silos(ledger: Ledger) -> None:
    ledger.set_cap(1.0, DELTA, "evaluation", requester="ana")
    assert ledger.caps() == {None: Cap(8.0, DELTA), "evaluation": Cap(1.0, DELTA)}
    assert (ledger.cap(), ledger.cap("evaluation"), ledger.cap("audit")) == (
        Cap(8.0, DELTA),
        Cap(1.0, DELTA),
        None,
    )
    ledger.reserve(make_charge(PrivacyEvent(1.2), purpose="training"))
    ledger.reserve(make_charge(PrivacyEvent(5.0), purpose="evaluation"))
    spent = accountant.epsilon([PrivacyEvent(5.0)], DELTA)
    with pytest.raises(BudgetExceededError, match="epsilon for purpose 'evaluation' to") as refused:
        ledger.reserve(make_charge(PrivacyEvent(5.0), purpose="evaluation"))
    assert f"over 'evaluation's cap of 1; spent {spent:.4g}, left {1.0 - spent:.4g};" in str(refused.value)
    ledger.reserve(make_charge(PrivacyEvent(5.0), purpose="training"))
    with pytest.raises(BudgetExceededError, match=r"would bring epsilon to .* over the cap of 8;"):
        ledger.reserve(make_charge(PrivacyEvent(0.7), purpose="training"))


def test_purposes_are_short_codes(ledger: Ledger) -> None:
    for purpose in ("", "training a model", "Training", "training\n"):
        with pytest.raises(LedgerError, match="no short code"):
            ledger.set_cap(1.0, DELTA, purpose)


def test_a_configuration_is_recorded_when_it_changes_and_yields_to_a_later_hand(ledger: Ledger) -> None:
    before = len(ledger.rows())
    for _ in range(2):
        ledger.declare(Cap(8.0, DELTA), purpose_caps={"training": 4.0})
    assert len(ledger.rows()) == before + 1
    ledger.set_cap(2.0, DELTA, requester="ana")
    ledger.declare(Cap(8.0, DELTA), purpose_caps={"training": 4.0})
    assert ledger.caps() == {None: Cap(2.0, DELTA), "training": Cap(4.0, DELTA)}
    ledger.declare(Cap(6.0, DELTA), purpose_caps={"training": 3.0})
    assert ledger.caps() == {None: Cap(6.0, DELTA), "training": Cap(3.0, DELTA)}


def test_without_a_policy_nobody_is_asked(ledger: Ledger) -> None:
    assert ledger.approval_above() is None
    number = ledger.reserve(make_charge(EVENT, approver="ben"))
    assert ledger.rows()[number - 1].details["approver"] == "ben"


def test_a_plan_above_the_policy_waits_for_a_second_person(ledger: Ledger) -> None:
    ledger.set_policy(0.5)
    with pytest.raises(ApprovalRequiredError, match=f"plan {PLAN}.*needs a second person") as refused:
        ledger.reserve(make_charge(EVENT, approver="somebody"))
    assert refused.value.exit_code == 3
    assert f"budget approve --plan {PLAN} --by NAME --ledger '{ledger.where}'" in str(refused.value)
    for _ in range(2):
        with pytest.raises(ApprovalRequiredError):
            ledger.reserve(make_charge(EVENT))
    (waiting,) = ledger.waiting()
    assert (waiting.details["plan_fingerprint"], waiting.details["requester"]) == (PLAN, "ana")
    assert waiting.details["epsilon"] == accountant.epsilon([EVENT], DELTA)
    assert ledger.events() == ()
    ledger.approve(PLAN, "ben")
    assert ledger.waiting() == ()
    number = ledger.reserve(make_charge(EVENT))
    assert ledger.rows()[number - 1].details["approver"] == "ben"
    with pytest.raises(ApprovalRequiredError, match=f"plan {OTHER}"):
        ledger.reserve(make_charge(EVENT, plan_fingerprint=OTHER))


def test_nobody_approves_their_own_request_under_any_spelling(ledger: Ledger) -> None:
    ledger.set_policy(0.0)
    with pytest.raises(ApprovalRequiredError):
        ledger.reserve(make_charge(EVENT))
    for name in ("ana", " Ana ", "ANA"):
        with pytest.raises(LedgerError, match="cannot approve their own"):
            ledger.approve(PLAN, name)
    ledger.approve(OTHER, "Ana")
    with pytest.raises(ApprovalRequiredError):
        ledger.reserve(make_charge(EVENT, plan_fingerprint=OTHER))
    ledger.reserve(make_charge(EVENT, plan_fingerprint=OTHER, requester="ben"))
    with pytest.raises(LedgerError, match="who approves it"):
        ledger.approve(PLAN, " ")


def test_two_people_who_ask_can_approve_each_others_request(ledger: Ledger) -> None:
    ledger.set_policy(0.0)
    for requester in ("ana", "ben"):
        with pytest.raises(ApprovalRequiredError):
            ledger.reserve(make_charge(EVENT, requester=requester))
    assert len(ledger.waiting()) == 2
    ledger.approve(PLAN, "ben")
    assert [row.details["requester"] for row in ledger.waiting()] == ["ben"]
    ledger.reserve(make_charge(EVENT, requester="ana"))
    with pytest.raises(ApprovalRequiredError):
        ledger.reserve(make_charge(EVENT, requester="ben"))


def test_small_plans_pass_and_a_plan_run_again_does_not_stay_small(ledger: Ledger) -> None:
    ledger.set_policy(accountant.epsilon([EVENT], DELTA))
    ledger.reserve(make_charge(EVENT))
    with pytest.raises(ApprovalRequiredError):
        ledger.reserve(make_charge(EVENT))
    ledger.reserve(make_charge(EVENT, plan_fingerprint=OTHER))


def test_a_plan_is_weighed_whole_at_its_first_charge(ledger: Ledger) -> None:
    plan = make_plan()
    who = {"silo": "north", "run_id": "r", "purpose": "training", "requester": "ana", "snapshot_hmac": "h"}
    charge = planned_charge(plan, "popularity", **who)  # type: ignore[arg-type]
    assert charge.plan_events == plan.events()
    assert '"plan_events":[{"noise_multiplier":8.0' in str(charge.columns()["details"])
    ledger.set_policy(accountant.epsilon([charge.event], DELTA) + 0.1)
    with pytest.raises(ApprovalRequiredError):
        ledger.reserve(charge)


def test_an_approval_may_be_limited(ledger: Ledger) -> None:
    ledger.set_policy(0.0)
    ledger.approve(PLAN, "ben", epsilon=accountant.epsilon([EVENT, EVENT], DELTA))
    for _ in range(2):
        ledger.reserve(make_charge(EVENT))
    with pytest.raises(ApprovalRequiredError):
        ledger.reserve(make_charge(EVENT))
    assert len(ledger.waiting()) == 1
    ledger.approve(PLAN, "cem")
    number = ledger.reserve(make_charge(EVENT))
    assert ledger.rows()[number - 1].details["approver"] == "cem"
    for epsilon in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(PlanError, match="approved epsilon"):
            ledger.approve(PLAN, "ben", epsilon=epsilon)


def test_a_policy_is_tightened_at_once_and_loosened_by_two(ledger: Ledger) -> None:
    for above in (2.0, 1.0):
        ledger.set_policy(above)
    ledger.set_policy(1.0)
    assert [row.kind for row in ledger.rows()] == ["cap", "policy", "policy"]
    for above in (None, 5.0):
        with pytest.raises(ApprovalRequiredError, match=f"policy {policy_fingerprint(above)} needs"):
            ledger.set_policy(above, requester="ana")
    assert ledger.approval_above() == 1.0
    assert len(ledger.waiting()) == 2
    with pytest.raises(LedgerError, match="cannot approve"):
        ledger.approve(policy_fingerprint(5.0), "ana")
    ledger.approve(policy_fingerprint(5.0), "ben")
    ledger.set_policy(5.0, requester="ana")
    assert ledger.approval_above() == 5.0
    assert ledger.rows()[-1].details == {"approval_above": 5.0, "requester": "ana", "approver": "ben"}
    ledger.set_policy(1.0)
    with pytest.raises(ApprovalRequiredError):
        ledger.set_policy(5.0, requester="ana")
    assert len(ledger.waiting()) == 2


def test_taking_the_policy_out_of_the_configuration_does_not_drop_it(ledger: Ledger) -> None:
    ledger.declare(Cap(8.0, DELTA), approval_above=0.0)
    with pytest.raises(ApprovalRequiredError, match="policy"):
        ledger.declare(Cap(8.0, DELTA))
    with pytest.raises(ApprovalRequiredError, match="plan"):
        ledger.reserve(make_charge(EVENT))


@pytest.mark.parametrize("above", [-1.0, float("nan"), float("inf")])
def test_a_policy_is_a_number_from_0_on(ledger: Ledger, above: float) -> None:
    with pytest.raises(PlanError, match="approval_above"):
        ledger.set_policy(above)


def test_over_the_cap_nobody_is_asked(ledger: Ledger) -> None:
    ledger.set_policy(0.0)
    with pytest.raises(BudgetExceededError):
        ledger.reserve(make_charge(PrivacyEvent(0.5)))
    assert ledger.waiting() == ()
