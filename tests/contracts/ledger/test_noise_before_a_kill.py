"""A process that dies with noise already drawn has spent it, and what comes after draws fresh noise."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.errors import PlanError
from recsys.privacy.ledger import Charge, Ledger, planned_charge
from recsys.privacy.mechanisms import SecureNoise, noised_sum, release_sum
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from tests.contracts.ledger.children import Tell, fork
from training.spend import Released, Reservation, reopen, reserve, spending

STEPS = 3
CUSTOMERS = np.eye(40, 4)
PLAN = PrivacyPlan(
    8.0, 1e-6, 1, {"a": 1000}, (ReleasePlan("popularity", 1.0, 4.0),), DpSgdPlan(0.3, 1.0, 0.1, STEPS)
)

pytestmark = pytest.mark.usefixtures("warm")


def charge(mechanism: str) -> Charge:
    details = {"silo": "a", "run_id": "r", "purpose": "training", "requester": "t", "snapshot_hmac": "0" * 64}
    return planned_charge(PLAN, mechanism, **details)


def popularity(noise: SecureNoise) -> NDArray[np.float32]:
    return release_sum([CUSTOMERS], PLAN.release("popularity"), noise)


def towers(noise: SecureNoise) -> NDArray[np.float32]:
    chosen = noise.poisson_sample(len(CUSTOMERS), PLAN.dpsgd.sampling_rate)
    total = PLAN.dpsgd.clip_norm * CUSTOMERS[chosen].sum(axis=0)
    return noised_sum(total, PLAN.dpsgd, noise, len(chosen))


DRAWS: dict[str, Callable[[SecureNoise], NDArray[np.float32]]] = {"popularity": popularity, "towers": towers}


def release(reservation: Reservation) -> Released:
    return reservation.release(reservation.mechanism, DRAWS[reservation.mechanism])


def draw_and_die(where: str, mechanism: str, tell: Tell) -> None:
    tell(release(reserve(Ledger(where), charge(mechanism))).values.tobytes().hex())
    os.kill(os.getpid(), signal.SIGKILL)


def drawn_then_killed(where: str, mechanism: str) -> bytes:
    """The noised numbers that a process had made when it was killed."""
    (told,), code = fork(partial(draw_and_die, where, mechanism)).end()
    assert code == -signal.SIGKILL
    return bytes.fromhex(told[0])


@pytest.fixture
def ledger(where: str) -> Ledger:
    made = Ledger(where)
    made.set_cap(8.0, 1e-6)
    return made


@pytest.mark.parametrize("mechanism", DRAWS)
def test_noise_that_was_drawn_stays_spent_when_the_process_is_killed(
    ledger: Ledger, where: str, mechanism: str
) -> None:
    first = drawn_then_killed(where, mechanism)
    assert len(first) == 4 * 4
    again = Ledger(where)
    assert again.verify().ok
    assert again.events() == (charge(mechanism).event,), "all of it, drawn or not"
    assert len(again.open_reservations()) == 1
    with spending(again, charge(mechanism)) as reservation:
        released = release(reservation)
    assert again.events() == (charge(mechanism).event,) * 2, "what comes after is charged on top"
    assert released.values.tobytes() != first


@pytest.mark.parametrize(("mechanism", "left"), [("popularity", 0), ("towers", STEPS - 1)])
def test_a_killed_release_is_not_made_again_under_its_old_charge(
    ledger: Ledger, where: str, mechanism: str, left: int
) -> None:
    drawn_then_killed(where, mechanism)
    reservation = reopen(ledger, ledger.open_reservations()[0].id, used=1)
    for _ in range(left):
        release(reservation)
    with pytest.raises(PlanError, match=f"all {left + 1} reserved steps"):
        release(reservation)
    assert ledger.events() == (charge(mechanism).event,)
