from pathlib import Path

import numpy as np
import pytest

from recsys.errors import BudgetExceededError, LedgerError, PlanError
from recsys.privacy.ledger import Ledger, planned_charge
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from training.spend import Released, Reservation, Reserved, reopen, reserve, spending

PLAN = PrivacyPlan(
    8.0, 1e-6, 1, {"a": 1000}, (ReleasePlan("popularity", 1.0, 4.0),), DpSgdPlan(0.3, 1.0, 0.1, 20)
)


def charge(mechanism: str = "popularity", steps: int | None = None):
    details = {"silo": "a", "run_id": "r", "purpose": "test", "requester": "t", "snapshot_hmac": "0" * 64}
    return planned_charge(PLAN, mechanism, steps=steps, **details)


def zeros(noise) -> np.ndarray:
    return noise.normal(3, 1.0).astype(np.float32)


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
    with pytest.raises(PlanError, match=r"training\.spend alone"):
        Reservation(ledger, 1, Reserved("popularity", 1, "0" * 64), 0, object())
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
    first.release("towers", zeros)
    again = reopen(ledger, first.row, first.used)
    again.release("towers", zeros)
    again.release("towers", zeros)
    with pytest.raises(PlanError, match="all 3 reserved steps"):
        again.release("towers", zeros)
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
