"""How far one customer moves a release when noise is held still, against the bound that was charged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.plan import PrivacyPlan
from training.audit.checks.bench import SUMS, bench
from training.audit.checks.edits import (
    Edit,
    as_whale,
    busiest,
    trained_customers,
    unchanged,
    without,
)
from training.audit.checks.frozen import exact, frozen
from training.audit.checks.noise import EVERYONE
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import RHYTHM, TOWERS

SLACK = 1e-3  # of the bound: far more than sums in float32 lose
TWICE, DAY = 2, timedelta(days=1)
WHALE = 40  # purchases of every item of the shop: some ten thousand events
QUANTITIES = (1e30, 1e-30, 0.0, -1.0, -1e30, math.nan, math.inf)
KINDS = ("view", "cart", "rating", "return", "dismiss")
FEW = (1, 2)
ROUNDED = 1e-9  # of the bound: what float64 may make one customer's part depend on another's


def sensitivity_of_sums() -> list[Finding]:
    """Each noised sum with and without one customer: an ordinary one and a whale."""
    return _sensitivity(*SUMS)


def sensitivity_of_steps() -> list[Finding]:
    """A step of the towers with and without one customer: an ordinary one and a whale."""
    return _sensitivity(TOWERS)


def coupling() -> list[Finding]:
    """What one customer adds must not depend on whether another one is there.

    For a release f and customers a, b: f(D) - f(D - a) - f(D - b) + f(D - a - b) is zero if f is a sum of
    contributions that each depend on one customer alone.
    """
    world = bench()
    plan, silo = world.plan(EVERYONE), Subject(world).node.silo
    first = busiest(silo)
    second = next(name for name in trained_customers(silo).to_pylist() if name != first)
    edits = (unchanged, without(first), without(second), without(first, second))
    subjects, findings = [Subject(world, edit=edit) for edit in edits], []
    for name in (*SUMS, TOWERS):
        whole, no_first, no_second, neither = (exact_sum(subject, name, plan) for subject in subjects)
        change = float(np.linalg.norm(whole - no_first - no_second + neither))
        bound = ROUNDED * bound_of(plan, name)
        words = f"{name}: one customer's part moves by {change:.2e} when another one is gone"
        findings.append(Finding("coupling", change <= bound, change, bound, words))
    return findings


def _sensitivity(*names: str) -> list[Finding]:
    world = bench()
    customer, until = busiest(Subject(world).node.silo), world.settings.until
    plan = world.plan(replace(EVERYONE, steps=TWICE), rounds={RHYTHM: TWICE})
    gone = Subject(world, edit=without(customer))
    whales = {
        "a whale": as_whale(customer, times=WHALE),
        "a whale of one hour": as_whale(customer, times=WHALE, hours=0),
        "a whale of much that is new, held out": as_whale(
            customer, times=1, hours=1, last=until and until + DAY
        ),
        **{f"a customer of {count} purchases": as_whale(customer, times=1, most=count) for count in FEW},
        **{f"a whale of {n:g} at a time": as_whale(customer, times=2, quantity=n) for n in QUANTITIES},
        **{f"a whale of {kind}": as_whale(customer, times=2, kinds=("purchase", kind)) for kind in KINDS},
    }
    edits: Mapping[str, Edit] = {"an ordinary customer": unchanged, **whales}
    with frozen():
        less = {name: _released(gone, name, plan) for name in names}
        return [
            _moved(name, who, plan, _released(subject, name, plan) - less[name])
            for who, subject in ((who, Subject(world, edit=edit)) for who, edit in edits.items())
            for name in names
        ]


def _moved(name: str, who: str, plan: PrivacyPlan, change: NDArray[np.float64]) -> Finding:
    moved = float(np.linalg.norm(change, axis=1).max())
    bound = bound_of(plan, name) * (1 + SLACK)
    words = f"{name}: {who} moves the sum by {moved:.4f}; charged for {bound_of(plan, name):g}"
    return Finding("sensitivity", math.isfinite(moved) and moved <= bound, moved, bound, words)


def exact_sum(subject: Subject, name: str, plan: PrivacyPlan) -> NDArray[np.float64]:
    """What a silo adds up, before noise and rounding."""
    return exact(lambda: subject.release(name, plan))


def _released(subject: Subject, name: str, plan: PrivacyPlan) -> NDArray[np.float64]:
    """What is released, [rounds, n]; a later step, and a round at other parameters, count by themselves."""
    if name == TOWERS:
        return np.stack(list(subject.steps(plan, TWICE))).astype(np.float64)
    rounds = range(TWICE if name == RHYTHM else 1)
    return np.stack([subject.release(name, plan, number=number) for number in rounds]).astype(np.float64)


def bound_of(plan: PrivacyPlan, name: str) -> float:
    """The bound of one customer's contribution that the plan charges for."""
    return EVERYONE.clip_norm if name == TOWERS else plan.release(name).clip_norm
