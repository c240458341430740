"""Whether noise is ever drawn twice: over rounds, silos, redone work and restarted nodes."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.audit.checks.bench import Values, bench
from training.audit.checks.frozen import Unreleased
from training.audit.checks.noise import NOBODY
from training.audit.checks.subject import Subject
from training.audit.finding import Finding

FALSE_ALARM = 1e-9  # of one pair of releases
CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
SOURCES = 2_048
ROUNDS = replace(NOBODY, steps=4)


def freshness() -> list[Finding]:
    """Releases without any signal, two by two: their correlation is that of independent noise."""
    world = bench()
    plan = world.plan(ROUNDS)
    first, other, restarted = Subject(world), Subject(world, silo=1), Subject(world)
    rounds = list(first.steps(plan, ROUNDS.steps))
    same_moment: Mapping[str, Sequence[Values]] = {
        "rounds": rounds,
        "silos": [rounds[0], next(other.steps(plan, ROUNDS.steps))],
        "attempts at a round": [rounds[0], next(first.steps(plan, ROUNDS.steps, attempt=2))],
        "restarts of a node": [rounds[0], next(restarted.steps(plan, ROUNDS.steps))],
    }
    found = [
        _independent(what, [v.astype(np.float64) for v in values]) for what, values in same_moment.items()
    ]
    return [*found, _keys()]


def _keys() -> Finding:
    """Sources made at one moment of stopped clocks, with seeds that are set: each begins with other numbers.

    A key of so few bits that it could be guessed would be drawn twice among so many.
    """
    began = set[float]()
    with ExitStack() as stack:
        for clock in CLOCKS:
            value = getattr(time, clock)()
            stack.enter_context(patch.object(time, clock, lambda value=value: value))
        for _ in range(SOURCES):
            random.seed(0)
            began.add(float(Unreleased().uniform(1)[0]))
    alike = SOURCES - len(began)
    words = f"{alike} of {SOURCES} sources made at one moment begin like another one"
    return Finding("freshness", not alike, alike, 0, words)


def _independent(what: str, releases: Sequence[NDArray[np.float64]]) -> Finding:
    """The largest correlation of two releases; of n independent pairs it is about normal / sqrt(n)."""
    largest = max(_correlation(one, two) for one, two in combinations(releases, 2))
    bound = float(norm.isf(FALSE_ALARM / 2)) / len(releases[0]) ** 0.5
    words = f"noise of different {what} correlates by {largest:.3f} at most; chance allows {bound:.3f}"
    return Finding("freshness", largest <= bound, largest, bound, words)


def _correlation(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Its absolute value; 1 where there is no noise at all, which is the same noise each time."""
    if not (one.std() and two.std()):
        return 1.0
    return abs(float(np.corrcoef(one, two)[0, 1]))
