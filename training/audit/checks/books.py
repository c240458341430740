"""A silo's books: charged before noise exists, refused above the cap, never lowered, and not to be edited."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from recsys.errors import ApprovalRequiredError, BudgetExceededError, LedgerError, PlanError
from recsys.privacy.ledger import Charge, Ledger
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from training.audit.checks.accounting import ROUNDING, gaussian_epsilon
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import POPULARITY, TOWERS

STEP = DpSgdPlan(clip_norm=0.3, noise_multiplier=20.0, sampling_rate=0.1, steps=2)
NOISE, CAP, ENOUGH = 8.0, 3.0, 60
LOUD = 4.0  # multiplier of the charges that are never closed
OTHER_WORDS = "UPDATE rows SET details = replace(details, 'audit', 'other')"


class _Killed(BaseException):
    """The process ends here."""


def charged_before_drawn() -> list[Finding]:
    """A process that dies while noise is drawn leaves the charge; what was charged is the plan's event."""
    world = bench()
    plan, found = world.plan(STEP), list[Finding]()
    for name in (*SUMS, TOWERS):
        subject = Subject(world)
        with suppress(_Killed), patch.object(SecureNoise, "normal", _killed):
            next(subject.steps(plan, STEP.steps)) if name == TOWERS else subject.release(name, plan)
        events = [row.event for row in subject.charges() if row.details["mechanism"] == name]
        planned = STEP.event() if name == TOWERS else plan.release(name).event
        words = f"{name}: killed while drawing, {len(events)} charges stay, 1 is planned"
        found.append(Finding("charged before drawn", events == [planned], len(events), 1, words))
    return found


def _killed(*_: Any) -> Any:
    raise _Killed


def caps_refuse() -> list[Finding]:
    """Releases until the silo refuses: how many, against the closed form; what is refused is not drawn."""
    world = bench()
    subject = _capped(world)
    plan, left, drawn = small_plan(world), 0, list[object]()
    real = SecureNoise.normal

    def counted(self: SecureNoise, *args: Any) -> Any:
        drawn.append(args)
        return real(self, *args)

    with patch.object(SecureNoise, "normal", counted), suppress(BudgetExceededError):
        for attempt in range(1, ENOUGH):
            subject.release(POPULARITY, plan, attempt=attempt)
            left += 1
    spent = gaussian_epsilon(left**0.5 / NOISE, subject.node.config.delta)
    words = f"{left} releases cost epsilon {spent:.3f} under a cap of {CAP:g}; {len(drawn)} were drawn"
    held = spent <= CAP * (1 + ROUNDING) and len(drawn) == left == len(subject.charges())
    return [Finding("caps", held, spent, CAP, words), _open(world), _of_purpose(world), _approved(world)]


def _open(world: Bench) -> Finding:
    """Charges that no process lived to close fill the cap too."""
    subject = _capped(world)
    return _filled("charges that were never closed", subject.node.ledger(), _loud(subject), CAP)


def _of_purpose(world: Bench) -> Finding:
    """A cap for one purpose, far below that of the silo."""
    subject = Subject(world)
    ledger, charge = subject.node.ledger(), _loud(subject)
    ledger.set_cap(CAP, subject.node.config.delta, charge.purpose)
    return _filled(f"charges for {charge.purpose}, which has a cap of its own,", ledger, charge, CAP)


def _approved(world: Bench) -> Finding:
    """A silo in which every plan needs a second person's approval, which nobody gave."""
    subject = Subject(world)
    ledger, charge = subject.node.ledger(), _loud(subject)
    ledger.set_policy(0.0)
    try:
        ledger.reserve(charge)
    except ApprovalRequiredError:
        return Finding("caps", True, 0, 0, "nothing is charged before a second person has approved it")
    return Finding(
        "caps", False, 1, 0, "a plan is charged that a second person had to approve, and nobody did"
    )


def _loud(subject: Subject) -> Charge:
    plan = subject.world.plan(STEP, noise_multiplier=LOUD)
    request = subject.world.request(POPULARITY, plan)
    return subject.node._charge(request, plan, POPULARITY, "snapshot", steps=1)


def _filled(what: str, ledger: Ledger, charge: Charge, cap: float) -> Finding:
    """Charges until they are refused, against the closed form."""
    count = 0
    with suppress(BudgetExceededError):
        while count < ENOUGH:
            ledger.reserve(charge)
            count += 1
    spent = gaussian_epsilon(count**0.5 / LOUD, charge.delta)
    words = f"{count} {what} cost epsilon {spent:.3f} under a cap of {cap:g}"
    return Finding("caps", count > 0 and spent <= cap * (1 + ROUNDING), spent, cap, words)


def _capped(world: Bench) -> Subject:
    subject = Subject(world)
    subject.node.config = subject.node.config.model_copy(update={"epsilon_cap": CAP})
    return subject


def small_plan(world: Bench) -> PrivacyPlan:
    """A plan within the cap."""
    return world.plan(STEP, noise_multiplier=NOISE, target=CAP)


def tampering() -> list[Finding]:
    """A ledger whose rows were edited, or cut, or whose bound on silos a plan lowers: nothing more leaves."""
    return [
        _refused(
            "a row that was edited", lambda path: _written(path, "UPDATE rows SET noise_multiplier = 999")
        ),
        _refused("a row whose words were edited", lambda path: _written(path, OTHER_WORDS)),
        _refused("a tail that was cut", lambda path: _written(path, "DELETE FROM rows WHERE id > 2")),
        _lowered_bound(),
    ]


def _refused(what: str, damage: Callable[[Path], None]) -> Finding:
    world = bench()
    subject, plan = Subject(world), world.plan(STEP)
    subject.release(POPULARITY, plan)
    damage(Path(str(subject.node.config.ledger)))
    whole = subject.node.ledger().verify().ok
    try:
        subject.release(POPULARITY, plan, attempt=2)
    except (LedgerError, PlanError):
        return Finding("tampering", not whole, float(whole), 0, f"{what} is seen, and nothing more leaves")
    return Finding("tampering", False, 1, 0, f"{what} is not seen: another sum left")


def _written(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(change)
        connection.commit()


def _lowered_bound() -> Finding:
    """A charge that counts persons in fewer silos than an earlier one did."""
    world = bench()
    subject, plan = Subject(world), world.plan(STEP)
    subject.release(POPULARITY, plan)
    request = world.request(POPULARITY, plan)
    charge = subject.node._charge(request, plan, POPULARITY, "snapshot", steps=1)
    most = (charge.max_silos_per_person or 1) - 1
    try:
        _reserved(subject.node.ledger(), replace(charge, max_silos_per_person=most))
    except PlanError:
        return Finding(
            "tampering", True, 0, 0, f"a plan of {most} silos a person after one of {most + 1} is refused"
        )
    return Finding("tampering", False, 1, 0, "a plan lowers in how many silos a person is counted")


def _reserved(ledger: Ledger, charge: Any) -> int:
    return ledger.reserve(charge)
