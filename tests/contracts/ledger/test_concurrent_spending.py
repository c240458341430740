"""Many processes spend from one cap at once: none overspends, and no charge that was granted is lost."""

import math
import random
from collections import Counter
from functools import partial

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from experiments.evidence.bars import Bar
from recsys.errors import BudgetExceededError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from tests.contracts.ledger.children import Tell, fork
from tests.contracts.ledger.places import kind_of
from tests.recsys.privacy.builders import DELTA, make_charge

CAP = 1.0

pytestmark = [pytest.mark.evidence, pytest.mark.usefixtures("warm")]


def attempt(where: str, seed: int, attempts: int, least_noise: float, tell: Tell) -> None:
    """Ask for small random charges; tell the number of each that is granted, and each that is refused."""
    ledger, chosen = Ledger(where), random.Random(seed)
    for _ in range(attempts):
        noise = chosen.uniform(1.0, 3.0) * least_noise
        try:
            tell(f"granted {ledger.reserve(make_charge(PrivacyEvent(noise)))} {noise!r}")
        except BudgetExceededError:
            tell(f"refused {noise!r}")


def gaussian_epsilon(events: tuple[PrivacyEvent, ...]) -> float:
    """Exact epsilon at DELTA of plain Gaussians together (Balle & Wang 2018), without the accountant."""
    mu = math.sqrt(math.fsum(event.steps / event.noise_multiplier**2 for event in events))

    def excess(epsilon: float) -> float:
        return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu) - DELTA

    return brentq(excess, 0.0, 50.0)


def test_processes_together_neither_overspend_nor_lose_a_charge(where: str, counted, evidence) -> None:
    processes, attempts = counted(4, 32), counted(10, 200)
    Ledger(where).set_cap(CAP, DELTA)
    # Epsilon 1 at 1e-6 is about one Gaussian of noise 4.2: a quarter of the attempts are beyond it.
    least_noise = 4.2 * math.sqrt(processes * attempts / 4)
    children = [fork(partial(attempt, where, seed, attempts, least_noise)) for seed in range(processes)]
    told: list[list[str]] = []
    for child in children:
        lines, code = child.end()
        assert code == 0
        assert len(lines) == attempts
        told += lines
    ledger = Ledger(where)
    granted = Counter((int(words[1]), float(words[2])) for words in told if words[0] == "granted")
    refused = [PrivacyEvent(float(words[1])) for words in told if words[0] == "refused"]
    kept = [(row.id, row.event.noise_multiplier) for row in ledger.rows() if row.kind == "reserve"]
    events = ledger.events()
    assert granted == Counter(kept), "each charge that a process was told of is there, once"
    assert ledger.verify().ok
    assert len(refused) > processes
    assert not accountant.within([*events, max(refused)], CAP, DELTA), "the least of the refused would fit"
    evidence(
        f"concurrent spending, {kind_of(where)}",
        measured=f"{processes} processes x {attempts} attempts: {len(kept)} granted, {len(refused)} refused",
        bars=[
            Bar("epsilon by the accountant", accountant.epsilon(events, DELTA), at_most=CAP),
            Bar("epsilon in closed form", gaussian_epsilon(events), at_most=CAP),
            Bar("charges lost", (granted - Counter(kept)).total(), at_most=0),
        ],
    )
