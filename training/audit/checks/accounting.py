"""What was charged, shown and divided by, against what left the silos and what was declared in public."""

from __future__ import annotations

import math
import sqlite3
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from recsys.errors import PlanError
from recsys.privacy.budget import budget_report
from recsys.privacy.claim import statement
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from recsys.privacy.statement import DataKind
from training.aggregation import mean_gradient
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import POPULARITY, TOWERS

STEPS = 7
FEW = DpSgdPlan(clip_norm=0.3, noise_multiplier=4.0, sampling_rate=0.1, steps=STEPS)
ROUNDING = 1e-6


def charged_steps() -> list[Finding]:
    """Releases that left a silo, retried blocks too, against what its ledger and receipts were charged."""
    world = bench()
    subject, plan = Subject(world), world.plan(FEW)
    left = {name: len(subject.repeated(name, plan, 2)) for name in SUMS}
    left[TOWERS] = sum(1 for attempt in (1, 2) for _ in subject.steps(plan, STEPS, attempt=attempt))
    ledger = subject.node.ledger()
    rows = {"ledger": [(row.details["mechanism"], row.event) for row in subject.charges()]}
    rows["receipts"] = [(r.mechanism, r.event) for r in ledger.receipts() if r.kind == "reserve"]
    return [
        _charged(where, name, released, [event for owner, event in charges if owner == name and event])
        for where, charges in rows.items()
        for name, released in left.items()
    ]


def person_epsilon() -> list[Finding]:
    """The epsilon that is shown to persons, against the closed form for the releases of all their silos."""
    world = bench()
    plan = world.plan(FEW)
    subjects = [Subject(world, silo=silo) for silo in range(len(world.federation.silos))]
    for subject in subjects:
        for name in SUMS:
            subject.release(name, plan)
        _given_up(subject, plan)
    ledgers = {subject.node.config.name: subject.node.ledger() for subject in subjects}
    spent = [_kept(Path(str(subject.node.config.ledger))) for subject in subjects]
    most = plan.max_silos_per_person
    exact = gaussian_epsilon(math.sqrt(math.fsum(sorted(spent)[-most:])), plan.delta)
    report = budget_report(ledgers, max_silos_per_person=most, delta=plan.delta)
    shown = {
        "statement": statement(plan, ledgers, data_kind=DataKind.SIMULATED).epsilon,
        "budget": report.person_epsilon,
        "budget by a file that says 1": _by_an_edited_file(ledgers, plan.delta, exact),
    }
    alone = {account.silo: (account.epsilon, account.delta) for account in report.silos}
    return [
        *(_shown(where, epsilon, exact, most) for where, epsilon in shown.items()),
        *(
            _shown(subject.node.config.name, *_of_silo(alone[subject.node.config.name], mu2), 1)
            for subject, mu2 in zip(subjects, spent, strict=True)
        ),
    ]


def _given_up(subject: Subject, plan: PrivacyPlan) -> None:
    """Two charges more: one that was never closed, as after a crash, and one that was given up."""
    request, ledger = subject.world.request(POPULARITY, plan), subject.node.ledger()
    charge = subject.node._charge(request, plan, POPULARITY, "snapshot", steps=1)
    ledger.reserve(charge)
    ledger.void(ledger.reserve(charge), "given up")


KEPT = "SELECT noise_multiplier, steps FROM rows WHERE kind = 'reserve'"


def _kept(path: Path) -> float:
    """The squared sum of signal to noise of all charges, from the database itself."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(KEPT).fetchall()
    return math.fsum(steps / noise**2 for noise, steps in rows)


def _of_silo(shown: tuple[float, float], squared: float) -> tuple[float, float]:
    epsilon, delta = shown
    return epsilon, gaussian_epsilon(math.sqrt(squared), delta)


def _by_an_edited_file(ledgers: Mapping[str, Ledger], delta: float, exact: float) -> float:
    """What is shown where an edited file says that a person is in one silo; to refuse is right too."""
    try:
        return budget_report(ledgers, max_silos_per_person=1, delta=delta).person_epsilon
    except PlanError:
        return exact


def public_divisor() -> list[Finding]:
    """The server's step from the same noised sums, planned over two neighbouring worlds."""
    worlds = {"the world": bench(), "the world without one customer": bench().neighbour}
    drawn = np.random.default_rng(0).normal(size=(len(bench().federation.silos), 50)).astype(np.float32)
    gradients = []
    for world in worlds.values():
        plan = world.plan(FEW)
        sums = dict(zip(sorted(plan.registered_customers), drawn, strict=True))
        gradients.append(mean_gradient(sums, plan))
    differ = float(np.abs(gradients[0] - gradients[1]).max())
    expected = drawn.astype(np.float64).sum(axis=0) / (FEW.sampling_rate * sum(_declared(bench())))
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


def _shown(where: str, epsilon: float, exact: float, silos: int) -> Finding:
    words = f"{where}: epsilon {epsilon:.4f} is shown; {silos} silos' releases cost a person {exact:.4f}"
    return Finding("person epsilon", epsilon >= exact * (1 - ROUNDING), epsilon, exact, words)


def _declared(world: Bench) -> list[int]:
    """The customers that the silos' operators registered, as they wrote it."""
    texts = (path.read_text(encoding="utf-8") for path in world.federation.silos)
    return [int(tomllib.loads(text)["registered_customers"]) for text in texts]
