from pathlib import Path

import numpy as np
import pytest

from recsys.errors import BudgetExceededError, LedgerError, PlanError, VoidReleaseError
from recsys.privacy.ledger import Ledger, planned_charge
from recsys.privacy.mechanisms import noised_sum
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from recsys.privacy.tally import Assumed
from training.spend import Released, Reservation, Reserved, reopen, reserve, spending

PLAN = PrivacyPlan(
    8.0, 1e-6, 1, {"a": 1000}, (ReleasePlan("popularity", 1.0, 4.0),), DpSgdPlan(0.3, 1.0, 0.1, 20)
)
WEAKER = ReleasePlan("popularity", 1.0, 3.9)


def charge(mechanism: str = "popularity", steps: int | None = None):
    details = {"silo": "a", "run_id": "r", "purpose": "test", "requester": "t", "snapshot_hmac": "0" * 64}
    return planned_charge(PLAN, mechanism, steps=steps, **details)


def zeros(noise) -> np.ndarray:
    return noised_sum(np.zeros(3), PLAN.release("popularity"), noise, customers=0)


def step(noise) -> np.ndarray:
    noise.poisson_sample(1000, PLAN.dpsgd.sampling_rate)
    return noised_sum(np.zeros(3), PLAN.dpsgd, noise, customers=0)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite")
    made.set_cap(8.0, 1e-6)
    return made


def test_the_charge_is_in_the_ledger_before_noise_is_drawn(ledger: Ledger) -> None:
    def look(noise) -> np.ndarray:
        assert [row.id for row in ledger.open_reservations()] == [2]
        return zeros(noise)

    with spending(ledger, charge()) as reservation:
        released = reservation.release("popularity", look)
    assert released.values.shape == (3,)
    assert ledger.open_reservations() == ()
    assert [receipt.kind for receipt in reservation.receipts()] == ["reserve", "commit"]


def test_no_release_without_its_reservation(ledger: Ledger) -> None:
    reservation = reserve(ledger, charge())
    with pytest.raises(PlanError, match="no open reservation for 'towers'"):
        reservation.release("towers", zeros)
    reservation.release("popularity", zeros)
    with pytest.raises(PlanError, match="all 1 reserved steps"):
        reservation.release("popularity", zeros)
    reservation.commit()
    with pytest.raises(PlanError, match="no open reservation"):
        reservation.release("popularity", zeros)


def test_nothing_outside_makes_a_reservation_or_a_release(ledger: Ledger) -> None:
    reserved = Reserved("popularity", 1, "0" * 64, Assumed(charge().event, 1.0))
    with pytest.raises(PlanError, match=r"training\.spend alone"):
        Reservation(ledger, 1, reserved, 0, object())
    with pytest.raises(PlanError, match=r"training\.spend alone"):
        Released(np.zeros(3, np.float32), 1, object())


def test_an_error_inside_leaves_the_reservation_spent(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), spending(ledger, charge()):
        _ = 1 / 0
    assert len(ledger.open_reservations()) == 1
    assert len(ledger.events()) == 1


def test_a_failing_draw_uses_its_step(ledger: Ledger) -> None:
    reservation = reserve(ledger, charge("towers", 2))
    with pytest.raises(PlanError, match="not finite float32"):
        reservation.release("towers", lambda _noise: np.full(3, np.nan, np.float32))
    assert reservation.used == 1


def test_a_block_goes_on_where_its_last_message_left_it(ledger: Ledger) -> None:
    first = reserve(ledger, charge("towers", 3))
    first.release("towers", step)
    again = reopen(ledger, first.row, first.used)
    again.release("towers", step)
    again.release("towers", step)
    with pytest.raises(PlanError, match="all 3 reserved steps"):
        again.release("towers", step)
    again.commit()
    with pytest.raises(PlanError, match="is no open reservation"):
        reopen(ledger, first.row, 0)
    assert [event.steps for event in ledger.events()] == [3]


def test_over_the_cap_nothing_is_drawn(ledger: Ledger) -> None:
    ledger.set_cap(0.1, 1e-6)
    with pytest.raises(BudgetExceededError, match="left"):
        reserve(ledger, charge())
    assert ledger.events() == ()


def test_no_noise_where_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    broken = tmp_path / "ledger.sqlite"
    ledger = Ledger(broken)
    ledger.set_cap(8.0, 1e-6)
    broken.write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError):
        reserve(ledger, charge())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda noise: np.zeros(3, np.float32), "noise on 0 coordinates of 3"),
        (lambda noise: zeros(noise)[:2], "noise on 3 coordinates of 2"),
        (lambda noise: zeros(noise) + zeros(noise), "noise on 6 coordinates of 3"),
        (lambda noise: noised_sum(np.zeros(3), WEAKER, noise, 0), "another standard deviation than 4"),
        (lambda noise: noise.normal(3, 4.0).astype(np.float32), "nobody bounded"),
        (lambda noise: noised_sum(np.full(3, 9.0), PLAN.releases[0], noise, 3), "not bounded by 1"),
        (step, "another standard deviation"),
    ],
)
def test_a_release_that_ran_otherwise_than_charged_is_void_and_stays(ledger: Ledger, wrong, told) -> None:
    reservation = reserve(ledger, charge())
    with pytest.raises(VoidReleaseError, match=told):
        reservation.release("popularity", wrong)
    assert [row.kind for row in ledger.rows()][-2:] == ["reserve", "void"]
    assert told in ledger.rows()[-1].details["reason"]
    assert ledger.events() == (charge().event,), "a void release stays spent"
    with pytest.raises(PlanError, match="no open reservation"):
        reservation.release("popularity", zeros)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda noise: noised_sum(np.zeros(3), PLAN.dpsgd, noise, 0), "0 samples in a step"),
        (lambda noise: (noise.poisson_sample(9, 0.1), step(noise))[1], "2 samples in a step"),
        (lambda noise: sampled(noise, 0.2), "another rate than 0.1"),
        (lambda noise: sampled(noise, 0.1, customers=999), "more customers in the sum than were sampled"),
        (lambda noise: sampled(noise, 0.1, hits=1000), "no Poisson sample has"),
    ],
)
def test_a_step_that_sampled_otherwise_than_charged_is_void(ledger: Ledger, wrong, told) -> None:
    reservation = reserve(ledger, charge("towers", 2))
    with pytest.raises(VoidReleaseError, match=told):
        reservation.release("towers", wrong)
    assert ledger.rows()[-1].kind == "void"


def sampled(noise, rate: float, customers: int = 0, hits: int | None = None) -> np.ndarray:
    noise.poisson_sample(1000, rate)
    if hits is not None:
        noise.tally.samples[-1] = noise.tally.samples[-1]._replace(hits=hits)
    return noised_sum(np.zeros(3), PLAN.dpsgd, noise, customers)


def test_what_ran_is_in_the_commit(ledger: Ledger) -> None:
    with spending(ledger, charge()) as reservation:
        reservation.release("popularity", zeros)
    ran = ledger.rows()[-1].details["ran"]
    assert ran["noise_std"] == 4.0
    assert (ran["noise_draws"], ran["coordinates"], ran["samples"], ran["clip_norm"]) == (1, 3, 0, 1.0)
