"""A process that dies with noise already drawn has spent it, and the next one draws fresh noise."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import PlanError
from recsys.privacy.ledger import Ledger, planned_charge
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from training.spend import reopen, spending

ROOT = Path(__file__).parents[2]
STEPS = 3
PLAN = PrivacyPlan(
    8.0, 1e-6, 1, {"a": 1000}, (ReleasePlan("popularity", 1.0, 4.0),), DpSgdPlan(0.3, 1.0, 0.1, STEPS)
)

DRAW = """
import sys, time
import numpy as np
from recsys.privacy.ledger import Ledger
from tests.contracts.test_killed_after_noise import charge
from training.spend import reserve
reservation = reserve(Ledger(sys.argv[1]), charge(sys.argv[2]))
draw = lambda noise: noise.normal(4, 1.0).astype(np.float32)
print(reservation.release(sys.argv[2], draw).values.tobytes().hex(), flush=True)
time.sleep(600)
"""


def charge(mechanism: str):
    details = {"silo": "a", "run_id": "r", "purpose": "test", "requester": "t", "snapshot_hmac": "0" * 64}
    return planned_charge(PLAN, mechanism, **details)


def drawn_then_killed(ledger: Ledger, mechanism: str) -> bytes:
    """The noised numbers that the process had made when it was killed."""
    command = [sys.executable, "-c", DRAW, str(ledger.path), mechanism]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        drawn = bytes.fromhex(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    return drawn


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite")
    made.set_cap(8.0, 1e-6)
    return made


@pytest.mark.parametrize("mechanism", ["popularity", "towers"])
def test_noise_that_was_drawn_stays_spent_when_the_process_is_killed(ledger: Ledger, mechanism: str) -> None:
    first = drawn_then_killed(ledger, mechanism)
    assert len(first) == 4 * 4
    again = Ledger(ledger.path)
    assert again.verify().ok
    assert again.events() == (charge(mechanism).event,), "all of it, drawn or not"
    assert len(again.open_reservations()) == 1
    with spending(again, charge(mechanism)) as reservation:
        released = reservation.release(mechanism, lambda noise: noise.normal(4, 1.0).astype(np.float32))
    assert again.events() == (charge(mechanism).event,) * 2, "what comes after is charged on top"
    assert released.values.tobytes() != first


def test_a_killed_single_release_is_not_made_again_under_its_old_charge(ledger: Ledger) -> None:
    drawn_then_killed(ledger, "popularity")
    again = Ledger(ledger.path)
    reservation = reopen(again, again.open_reservations()[0].id, used=1)
    with pytest.raises(PlanError, match="all 1 reserved steps"):
        reservation.release("popularity", lambda noise: noise.normal(4, 1.0).astype(np.float32))
