"""What was charged, shown and divided by, against what left the silos and what was declared in public."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from recsys.errors import PlanError
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.plan import DpSgdPlan
from training.aggregation import mean_gradient
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import POPULARITY, RHYTHM, TOWERS

STEPS = 7
FEW = DpSgdPlan(clip_norm=0.3, noise_multiplier=4.0, sampling_rate=0.1, steps=STEPS)
ROUNDS = {RHYTHM: 2, POPULARITY: 2}
ROUNDING = 1e-6
FEWER = 20  # registered customers of a silo: less than a tenth of those who are there


def charged_steps() -> list[Finding]:
    """Releases that left a silo, retried blocks too, against what its ledger and receipts were charged."""
    world = bench()
    subject, plan = Subject(world), world.plan(FEW)
    left = {name: len(subject.repeated(name, plan, 2)) for name in SUMS}
    left[TOWERS] = sum(1 for attempt in (1, 2) for _ in subject.steps(plan, STEPS, attempt=attempt))
    for name in ROUNDS:
        left[name] += _in_rounds(subject, name)
    ledger = subject.node.ledger()
    rows = {"ledger": [(row.details["mechanism"], row.event) for row in subject.charges()]}
    rows["receipts"] = [(r.mechanism, r.event) for r in ledger.receipts() if r.kind == "reserve"]
    return [
        _repeated_step(world),
        *(
            _charged(where, name, released, [event for owner, event in charges if owner == name and event])
            for where, charges in rows.items()
            for name, released in left.items()
        ),
    ]


def _in_rounds(subject: Subject, name: str) -> int:
    """All rounds of a sum, each asked for twice in the same words: how many sums were given."""
    plan = subject.world.plan(FEW, rounds=ROUNDS)
    numbers = [number for number in range(ROUNDS[name]) for _ in range(2)]
    return sum(1 for number in numbers if len(subject.release(name, plan, number=number)))


def _repeated_step(world: Bench) -> Finding:
    """A coordinator that asks for one step twice, with the state of before the first time."""
    subject, plan = Subject(world), world.plan(FEW)
    requests = [world.request(TOWERS, plan, number=number, end=STEPS) for number in range(2)]
    before = subject.node.release(requests[0]).block
    subject.node.release(requests[1], before)
    try:
        subject.node.release(requests[1], before)
    except PlanError:
        return Finding("charged steps", True, 1, 1, "a step that is asked for twice is released once")
    return Finding("charged steps", False, 2, 1, "a step that is asked for twice is released twice")


def public_divisor() -> list[Finding]:
    """The server's step from the same noised sums, planned over two neighbouring worlds.

    Once as the bench is, and once where silos have registered far fewer customers than they have.
    """
    return [
        *_divisors(bench(), bench().neighbour),
        *_divisors(bench().registering(FEWER), bench().neighbour.registering(FEWER)),
    ]


def _divisors(whole: Bench, neighbour: Bench) -> list[Finding]:
    drawn = np.random.default_rng(0).normal(size=(len(whole.federation.silos), 50)).astype(np.float32)
    gradients = []
    for world in (whole, neighbour):
        plan = world.plan(FEW)
        sums = dict(zip(sorted(plan.registered_customers), drawn, strict=True))
        gradients.append(mean_gradient(sums, plan))
    differ = float(np.abs(gradients[0] - gradients[1]).max())
    expected = drawn.astype(np.float64).sum(axis=0) / (FEW.sampling_rate * sum(_declared(whole)))
    wrong = float(np.abs(gradients[0] / expected - 1).max())
    return [
        Finding("divisor", differ == 0, differ, 0, f"one customer changes the server's step by {differ:.2e}"),
        Finding(
            "divisor",
            wrong <= ROUNDING,
            wrong,
            ROUNDING,
            f"the step is {wrong:.1e} off the sum over the declared rate times the declared customers",
        ),
    ]


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The exact epsilon at delta of Gaussian noise of 1 / mu times the sensitivity (Balle & Wang 2018)."""

    def excess(epsilon: float) -> float:
        miss = norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
        return float(miss) - delta

    return float(brentq(excess, 0.0, mu * mu + 40 * mu))


def _charged(where: str, name: str, left: int, events: Sequence[PrivacyEvent]) -> Finding:
    charged = sum(event.steps for event in events)
    words = f"{name}: {left} releases left, the {where} was charged for {charged}"
    return Finding("charged steps", left <= charged, left, charged, words)


def _declared(world: Bench) -> list[int]:
    """The customers that the silos' operators registered, as they wrote it."""
    texts = (path.read_text(encoding="utf-8") for path in world.federation.silos)
    return [int(tomllib.loads(text)["registered_customers"]) for text in texts]
