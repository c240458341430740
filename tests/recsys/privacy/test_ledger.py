from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.errors import BudgetExceededError, LedgerError, PlanError
from recsys.privacy import accountant, ledger_provenance
from recsys.privacy.chain import GENESIS
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Cap, Ledger, Receipt, planned_charge
from recsys.privacy.releases import ReleasePlan
from tests.recsys.privacy.builders import DELTA, make_charge, make_plan


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "sqlite":
        return tmp_path / "silo" / "ledger.sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def ledger(where: Path | str) -> Ledger:
    made = Ledger(where)
    made.set_cap(4.0, DELTA)
    return made


@pytest.fixture
def file_ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "file.sqlite")
    made.set_cap(4.0, DELTA)
    return made


def test_a_new_ledger_is_empty_whole_and_private(where: Path | str) -> None:
    assert not Ledger.exists(where)
    ledger = Ledger(where)
    assert Ledger.exists(where)
    assert ledger.events() == ()
    assert ledger.epsilon(DELTA) == 0.0
    assert ledger.cap() is None
    assert ledger.owner() is None
    assert ledger.head() == GENESIS
    assert (ledger.verify().ok, ledger.verify().rows) == (True, 0)
    if isinstance(where, Path):
        assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


def test_a_charge_is_recorded_whole(ledger: Ledger) -> None:
    charge = make_charge(PrivacyEvent(3.0, 0.1, 20), mechanism="towers", divisor=50.0, approver="ben")
    number = ledger.reserve(charge)
    row = ledger.rows()[number - 1]
    assert (row.kind, row.silo, row.event) == ("reserve", "north", charge.event)
    assert (row.delta, row.clip_norm, row.divisor) == (DELTA, 1.0, 50.0)
    told = {
        "run_id",
        "purpose",
        "mechanism",
        "plan_fingerprint",
        "snapshot_hmac",
        "requester",
        "approver",
        "unit",
    }
    told |= {"relation", "noise_source", "accountant", "accountant_version", "code_version", "consent"}
    assert told <= set(row.details)
    assert row.details["approver"] == "ben"
    assert row.time.endswith("+00:00")


def test_what_is_reserved_is_spent_until_the_end(ledger: Ledger) -> None:
    first = ledger.reserve(make_charge(PrivacyEvent(3.0, 0.1, 20)))
    second = ledger.reserve(make_charge(PrivacyEvent(6.0)))
    third = ledger.reserve(make_charge(PrivacyEvent(6.0)))
    spent = ledger.epsilon(DELTA)
    ledger.commit(first, 3)
    ledger.void(second, "the silo left the round")
    assert ledger.epsilon(DELTA) == spent == accountant.epsilon(ledger.events(), DELTA)
    assert ledger.events() == (PrivacyEvent(3.0, 0.1, 20), PrivacyEvent(6.0), PrivacyEvent(6.0))
    assert ledger.events(include_reserved=False) == (PrivacyEvent(3.0, 0.1, 20),)
    assert [row.id for row in ledger.open_reservations()] == [third]


def test_the_cap_holds_and_the_refusal_says_what_is_left(ledger: Ledger) -> None:
    ledger.reserve(make_charge(PrivacyEvent(1.5)))
    before = ledger.rows()
    with pytest.raises(
        BudgetExceededError, match=r"silo 'north': 'popularity' would bring epsilon to \d"
    ) as refusal:
        ledger.reserve(make_charge(PrivacyEvent(1.5)))
    spent = accountant.epsilon([PrivacyEvent(1.5)], DELTA)
    assert f"over the cap of 4; spent {spent:.4g}, left {4 - spent:.4g};" in str(refusal.value)
    assert refusal.value.exit_code == 3
    assert ledger.rows() == before
    ledger.reserve(make_charge(PrivacyEvent(20.0)))


def test_all_of_the_cap_can_be_used(ledger: Ledger) -> None:
    event = PrivacyEvent(2.0)
    ledger.set_cap(accountant.epsilon([event], DELTA), DELTA)
    ledger.reserve(make_charge(event))
    with pytest.raises(BudgetExceededError, match=r"left 0;"):
        ledger.reserve(make_charge(PrivacyEvent(50.0)))


def test_events_are_composed_not_added(ledger: Ledger) -> None:
    event = PrivacyEvent(4.0)
    alone = accountant.epsilon([event], DELTA)
    number = 0
    while number < 10 and accountant.within([event] * (number + 1), 4.0, DELTA):
        ledger.reserve(make_charge(event))
        number += 1
    assert number * alone > 4.0 >= ledger.epsilon(DELTA)


def test_without_a_cap_nothing_may_be_spent(where: Path | str) -> None:
    with pytest.raises(LedgerError, match="no cap is set"):
        Ledger(where).reserve(make_charge())


def test_the_last_cap_holds_and_every_change_is_recorded(ledger: Ledger) -> None:
    ledger.set_cap(4.0, DELTA)
    assert len(ledger.rows()) == 1
    ledger.set_cap(0.5, DELTA, requester="ana")
    assert ledger.cap() == Cap(0.5, DELTA)
    assert [row.cap for row in ledger.rows()] == [4.0, 0.5]
    assert ledger.rows()[1].details == {"requester": "ana"}
    with pytest.raises(BudgetExceededError):
        ledger.reserve(make_charge())


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cap_is_a_positive_number(ledger: Ledger, epsilon: float) -> None:
    with pytest.raises(PlanError, match="epsilon cap"):
        ledger.set_cap(epsilon, DELTA)


def test_one_ledger_is_one_silos(ledger: Ledger) -> None:
    ledger.reserve(make_charge())
    assert ledger.owner() == "north"
    with pytest.raises(LedgerError, match="'north's ledger; give silo 'south' its own"):
        ledger.reserve(make_charge(silo="south"))


@pytest.mark.parametrize("steps", [21, -1, 1.0, True, "2"])
def test_a_commit_says_how_many_reserved_steps_ran(ledger: Ledger, steps: object) -> None:
    number = ledger.reserve(make_charge(PrivacyEvent(3.0, 0.1, 20)))
    with pytest.raises(LedgerError, match="steps"):
        ledger.commit(number, steps)  # type: ignore[arg-type]
    assert len(ledger.open_reservations()) == 1


def test_only_open_reservations_are_closed(ledger: Ledger) -> None:
    number = ledger.reserve(make_charge())
    ledger.commit(number, 1)
    for close in (lambda: ledger.commit(number, 1), lambda: ledger.void(number, "again")):
        with pytest.raises(LedgerError, match=f"reservation {number} has its commit"):
            close()
    with pytest.raises(LedgerError, match="row 1 is no reservation"):
        ledger.commit(1, 1)
    with pytest.raises(LedgerError, match="row 99 does not exist"):
        ledger.commit(99, 1)


def test_approver_and_requester_are_two_people() -> None:
    with pytest.raises(LedgerError, match="'ana' cannot approve their own request"):
        make_charge(requester="ana", approver="ana")
    with pytest.raises(LedgerError, match="snapshot_hmac is empty"):
        make_charge(snapshot_hmac="")
    for purpose in ("training a model", "Training", "training "):
        with pytest.raises(LedgerError, match="no short code"):
            make_charge(purpose=purpose)


def test_a_planned_charge_takes_every_number_from_the_plan() -> None:
    plan = make_plan()
    who = {"silo": "south", "run_id": "r", "purpose": "training", "requester": "ana", "snapshot_hmac": "h"}
    towers = planned_charge(plan, "towers", steps=7, **who)  # type: ignore[arg-type]
    assert towers.event == PrivacyEvent(1.1, 0.05, 7)
    assert (towers.clip_norm, towers.divisor, towers.delta) == (0.3, 150.0, DELTA)
    sums = planned_charge(plan, "copurchase", **who)  # type: ignore[arg-type]
    assert (sums.event, sums.clip_norm, sums.divisor) == (PrivacyEvent(4.0), 0.5, None)
    assert sums.plan_fingerprint == plan.fingerprint()
    with pytest.raises(PlanError, match="releases once"):
        planned_charge(plan, "copurchase", steps=2, **who)  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="no release 'sales'"):
        planned_charge(plan, "sales", **who)  # type: ignore[arg-type]


def test_rounds_of_a_noised_sum_are_charged_one_by_one() -> None:
    plan = make_plan(releases=(ReleasePlan("rhythm", 1.0, 8.0, rounds=5),))
    who = {"silo": "south", "run_id": "r", "purpose": "training", "requester": "ana", "snapshot_hmac": "h"}
    assert planned_charge(plan, "rhythm", steps=1, **who).event == PrivacyEvent(8.0)  # type: ignore[arg-type]
    assert planned_charge(plan, "rhythm", **who).event == PrivacyEvent(8.0, steps=5)  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="releases 5 times, not in 6 steps"):
        planned_charge(plan, "rhythm", steps=6, **who)  # type: ignore[arg-type]


def test_receipts_say_what_was_charged_and_nothing_about_the_data(ledger: Ledger) -> None:
    number = ledger.reserve(make_charge(PrivacyEvent(3.0, 0.1, 20), snapshot_hmac="secret-of-the-data"))
    receipt = ledger.commit(number, 4)
    reserved, committed = ledger.receipts()
    assert committed == receipt
    assert (reserved.kind, committed.kind, committed.steps_done) == ("reserve", "commit", 4)
    assert reserved.event == committed.event == PrivacyEvent(3.0, 0.1, 20)
    assert committed.hash == ledger.head()
    assert "secret-of-the-data" not in reserved.to_json() + committed.to_json()
    assert Receipt.from_json(committed.to_json()) == committed
    other = ledger.reserve(make_charge(run_id="run-2"))
    assert [r.reservation for r in ledger.receipts(run_id="run-2")] == [other]
    assert [r.row for r in ledger.receipts(after=number)] == [number + 1, other]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"event": 1}', "null"])
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(LedgerError, match="no receipt"):
        Receipt.from_json(text)


def test_the_coordinators_mirror_counts_each_reservation_once(ledger: Ledger, tmp_path: Path) -> None:
    for steps in (5, 7):
        ledger.commit(ledger.reserve(make_charge(PrivacyEvent(3.0, 0.1, steps))), steps)
    died = ledger.reserve(make_charge(PrivacyEvent(9.0)))
    mirror = Ledger(tmp_path / "mirror.sqlite")
    assert all(mirror.mirror(receipt) for receipt in ledger.receipts())
    assert not any(mirror.mirror(receipt) for receipt in ledger.receipts())
    assert mirror.mirrored() == {"north": ledger.events()}
    assert mirror.epsilon(DELTA) == ledger.epsilon(DELTA)
    mirror.mirror(ledger.void(died, "gone"))
    assert mirror.events() == ledger.events()
    assert mirror.verify().ok
    assert len(mirror.receipts()) == 0


def test_a_commit_alone_is_enough_for_the_mirror(ledger: Ledger, tmp_path: Path) -> None:
    receipt = ledger.commit(ledger.reserve(make_charge()), 1)
    mirror = Ledger(tmp_path / "mirror.sqlite")
    mirror.mirror(receipt)
    assert mirror.mirrored() == {"north": ledger.events()}


def test_a_rewritten_silo_ledger_shows_at_the_mirror(ledger: Ledger, tmp_path: Path) -> None:
    ledger.reserve(make_charge(PrivacyEvent(3.0)))
    mirror = Ledger(tmp_path / "mirror.sqlite")
    mirror.mirror(ledger.receipts()[0])
    rewritten = Ledger(tmp_path / "other.sqlite")
    rewritten.set_cap(4.0, DELTA)
    rewritten.reserve(make_charge(PrivacyEvent(30.0)))
    with pytest.raises(LedgerError, match="its ledger was rewritten"):
        mirror.mirror(rewritten.receipts()[0])


def test_a_missing_ledger_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no such ledger"):
        Ledger(tmp_path / "none", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be read as one" * 20])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "l"
    path.write_bytes(content)
    ledger = Ledger(path, create=False)
    with pytest.raises(LedgerError, match=r"not a privacy ledger|unreadable or damaged"):
        ledger.rows()
    assert not ledger.verify().ok


any_float = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    noise=any_float,
    rate=any_float,
    delta=any_float,
    steps=st.one_of(st.integers(-(2**63), 2**63 - 1), any_float),
)
def test_the_database_itself_refuses_nonsense(
    file_ledger: Ledger, noise: float, rate: float, delta: float, steps: float
) -> None:
    valid = (
        1e-9 <= noise <= 1e9 and 0 < rate <= 1 and 0 < delta < 1 and steps >= 1 and float(steps).is_integer()
    ) and abs(steps) < 2**63
    raw = sqlite3.connect(file_ledger.path, isolation_level=None)
    raw.execute("BEGIN")
    values = [2, "reserve", "t", "north", noise, rate, steps, delta, 1.0, "{}", file_ledger.head(), "0" * 64]
    numbers = "noise_multiplier, sampling_rate, steps, delta, clip_norm"
    columns = f"id, kind, time, silo, {numbers}, details, previous, hash"
    try:
        raw.execute(f"INSERT INTO rows ({columns}) VALUES ({', '.join('?' * 12)})", values)
        assert valid
    except sqlite3.IntegrityError:
        assert not valid
    finally:
        raw.rollback()
        raw.close()


def test_details_are_json(ledger: Ledger) -> None:
    ledger.reserve(make_charge(requester='quotes " and \u00fcml\u00e4uts'))
    assert ledger.rows()[1].details["requester"] == 'quotes " and \u00fcml\u00e4uts'
    assert ledger.rows()[1].details["unit"] == "customer"
    assert ledger.verify().ok


def test_a_row_says_what_made_the_release(ledger: Ledger) -> None:
    told = {"trials": 3, "window": "2026-W01/2026-W06", "retention": "P1Y", "config_hash": "c" * 64}
    number = ledger.reserve(make_charge(**told, parents=("a" * 64,), consent="training"))
    details = ledger.rows()[number - 1].details
    assert {name: details[name] for name in told} == told
    assert details["parents"] == ["a" * 64]
    assert [len(details[name]) for name in ("code_hash", "dependency_hash")] == [64, 64]
    ledger.reserve(make_charge())
    plain = ledger.rows()[-1].details
    assert (plain["trials"], plain["window"], plain["config_hash"], plain["parents"]) == (1, None, None, [])
    with pytest.raises(PlanError, match="trials"):
        make_charge(trials=0)


def test_the_code_hash_changes_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "recsys" / "privacy"
    package.mkdir(parents=True)
    (package / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(ledger_provenance, "__file__", str(package / "ledger_provenance.py"))
    hash_now = ledger_provenance.code_hash.__wrapped__
    first = hash_now()
    assert hash_now() == first
    (package / "a.py").write_text("x = 2\n")
    edited = hash_now()
    (package / "a.py").rename(package / "b.py")
    assert len({first, edited, hash_now()}) == 3


def test_a_commit_keeps_what_ran_and_a_void_its_reason(ledger: Ledger, tmp_path: Path) -> None:
    ran = {"noise_draws": 64, "clip_norm": 1.0}
    committed, given_up = ledger.reserve(make_charge()), ledger.reserve(make_charge())
    receipt = ledger.commit(committed, 1, ran)
    assert ledger.rows()[-1].details == {"ran": ran}
    void = ledger.void(given_up, "another noise than charged")
    assert (receipt.reason, void.reason) == (None, "another noise than charged")
    assert Receipt.from_json(void.to_json()) == void
    assert [row.id for row in ledger.voided()] == [given_up]
    assert ledger.open_reservations() == ()
    mirror = Ledger(tmp_path / "mirror.sqlite")
    for kept in ledger.receipts():
        mirror.mirror(kept)
    assert mirror.rows()[-1].details["reason"] == "another noise than charged"
    still_open = ledger.reserve(make_charge())
    for value in (float("nan"), float("inf"), object()):
        with pytest.raises(LedgerError, match="plain JSON"):
            ledger.commit(still_open, 1, {"scale": value})


def test_audits_and_models_are_rows_too(ledger: Ledger) -> None:
    audit = ledger.record_audit("north", {"epsilon_lower_bound": 1.2, "attack": "one run"})
    model = ledger.record_model("north", {"model_hash": "b" * 64, "version": "3", "parents": []})
    rows = ledger.rows()
    assert [(rows[n - 1].kind, rows[n - 1].silo) for n in (audit, model)] == [
        ("audit", "north"),
        ("model", "north"),
    ]
    assert rows[audit - 1].details["epsilon_lower_bound"] == 1.2
    assert (ledger.events(), ledger.owner(), ledger.receipts()) == ((), None, ())
    assert ledger.verify().ok
