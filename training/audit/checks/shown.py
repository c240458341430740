"""What is shown to persons of what was spent, and said to be left, against the closed form."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from recsys.errors import PlanError
from recsys.privacy.budget import SiloBudget, budget_report
from recsys.privacy.claim import statement
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.statement import DataKind
from training.audit.checks.accounting import FEW, ROUNDING, gaussian_epsilon
from training.audit.checks.bench import CAP, SUMS, bench
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import POPULARITY

NOISE = 20.0  # multiplier of the bench's sums
TENTH = 6e-4  # half of the last digit of a percentage, and rounding
ALONE = "budget of one ledger alone"


def person_epsilon() -> list[Finding]:
    """The epsilon that is shown to persons, against the closed form for the releases of all their silos."""
    plan = bench().plan(FEW, noise_multiplier=NOISE)
    subjects = _unevenly(plan)
    ledgers = {subject.node.config.name: subject.node.ledger() for subject in subjects}
    spent = [_kept(Path(str(subject.node.config.ledger))) for subject in subjects]
    most = plan.max_silos_per_person
    exact = gaussian_epsilon(math.sqrt(math.fsum(sorted(spent)[-most:])), plan.delta)
    least = gaussian_epsilon(math.sqrt(max(spent) + len(SUMS) / NOISE**2), plan.delta)
    report = budget_report(ledgers, max_silos_per_person=most, delta=plan.delta)
    stated = statement(plan, ledgers, data_kind=DataKind.SIMULATED)
    last = max(ledgers)
    shown = {
        "statement": stated.epsilon,
        "statement in plain words": _in_words(stated.in_plain_words, exact),
        "budget": report.person_epsilon,
        ALONE: budget_report({last: ledgers[last]}, delta=plan.delta).person_epsilon,
        "budget by a file that says 1": _by_an_edited_file(ledgers, plan.delta, exact),
    }
    alone = {account.silo: (account.epsilon, account.delta) for account in report.silos}
    return [
        *(
            _shown(where, epsilon, least if where == ALONE else exact, most)
            for where, epsilon in shown.items()
        ),
        *(
            _shown(subject.node.config.name, *_of_silo(alone[subject.node.config.name], mu2), 1)
            for subject, mu2 in zip(subjects, spent, strict=True)
        ),
        *(
            _shown(f"{silo} in the statement", told, gaussian_epsilon(math.sqrt(mu2), plan.delta), 1)
            for (silo, told), mu2 in zip(stated.silo_epsilons.items(), spent, strict=True)
        ),
        _shown("the run in the statement", stated.run_epsilon, _of_run(plan), 1),
        *(_left(account) for account in report.silos),
    ]


def _unevenly(plan: PrivacyPlan) -> list[Subject]:
    """All silos by name. The last ones have spent more: whoever counts the first ones shows too little."""
    world = bench()
    subjects = [Subject(world, silo=silo) for silo in range(len(world.federation.silos))]
    subjects.sort(key=lambda subject: subject.node.config.name)
    for number, subject in enumerate(subjects):
        for name in SUMS:
            subject.release(name, plan)
        for _ in range(1 + 2 * number):
            _given_up(subject, plan)
    return subjects


def _in_words(words: str, exact: float) -> float:
    """The epsilon by which somebody becomes as sure as the words say, which have a tenth of a percent."""
    found = re.search(r"at most ([\d.]+)% sure", words)
    sure = float(found[1]) / 100 if found else 0.0
    off = abs(sure - 1 / (1 + math.exp(-exact)))
    return exact if off <= TENTH else math.log(max(sure, ROUNDING) / max(1 - sure, ROUNDING))


def _of_run(plan: PrivacyPlan) -> float:
    """What the plan's sums cost in one silo; its steps add to that."""
    squared = math.fsum(release.event.steps / release.event.noise_multiplier**2 for release in plan.releases)
    return gaussian_epsilon(math.sqrt(squared), plan.delta)


def _left(account: SiloBudget) -> Finding:
    """A cap that was not used up: what is left of it is less by what was spent."""
    most = (account.cap or 0.0) - account.epsilon
    left = math.inf if account.left is None else account.left
    words = f"{account.silo}: {left:.4f} is said to be left of the cap; it is {most:.4f} at most"
    return Finding("person epsilon", left <= most * (1 + ROUNDING / CAP), left, most, words)


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


def _shown(where: str, epsilon: float, exact: float, silos: int) -> Finding:
    words = f"{where}: epsilon {epsilon:.4f} is shown; {silos} silos' releases cost a person {exact:.4f}"
    return Finding("person epsilon", epsilon >= exact * (1 - ROUNDING), epsilon, exact, words)
