"""Whether noise is drawn twice: over silos, mechanisms, rounds, attempts, runs, restarts and processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from multiprocessing.connection import Connection
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from training.audit.checks import chance
from training.audit.checks.asked import Answers, Key, Question, asking
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.frozen import Unreleased, frozen
from training.audit.finding import Finding
from training.config import POPULARITY, RHYTHM, TOWERS

FALSE_ALARM = 1e-9  # of one finding
STEP = f"train.{TOWERS}"
LONGEST = 1_024  # coordinates of a release that are compared
ROUNDS = {RHYTHM: 3, POPULARITY: 2}
STEPS = 3
QUIET = DpSgdPlan(clip_norm=0.3, noise_multiplier=8.0, sampling_rate=1e-6, steps=STEPS)

T = TypeVar("T")

Values = NDArray[np.float64]
Sums = dict[Key, Values]


class Drawn(NamedTuple):
    """One release's noise in charged standard deviations, and the circumstances in which it was drawn."""

    moment: str
    silo: str
    stage: str
    number: int
    noise: Values


def independence() -> list[Finding]:
    """Noise of all silos' messages, two by two, laid over each other in every way."""
    drawn = _all_drawn(bench().uncapped())
    kinds: Mapping[str, Callable[[Drawn, Drawn], bool]] = {
        "silos": lambda a, b: a.moment == b.moment and a.silo != b.silo and a[2:4] == b[2:4],
        "mechanisms": lambda a, b: a.moment == b.moment and a.silo == b.silo and a.stage != b.stage,
        "rounds": lambda a, b: a[:3] == b[:3] and a.number != b.number,
        "attempts, runs, restarts and processes": lambda a, b: a.moment != b.moment and a.stage == b.stage,
    }
    found = [_finding(kind, _pairs(drawn, alike)) for kind, alike in kinds.items()]
    return [*found, _sizes(drawn), _forked_source()]


def plan_of(world: Bench) -> PrivacyPlan:
    """With some sums in rounds."""
    return world.plan(QUIET, rounds=ROUNDS)


def _all_drawn(world: Bench) -> list[Drawn]:
    """All silos once; one of them in another attempt, after a restart, in another run; all in children."""
    plan, everything, beginnings = plan_of(world), _questions(), _beginnings()
    sums = [question for question in everything if question[0] != STEP]
    with asking(world, plan, kept=True) as answers:
        with frozen():
            exact = answers.sums(sums, attempt=9)
        moments = {
            "first": answers.sums(everything, end=STEPS),
            "second attempt": answers.sums(beginnings, end=STEPS, attempt=2, silos=1),
            "one process": _forked(answers),
            "another process": _forked(answers),
        }
    for moment, run_id in (("restarted", "audit"), ("another run", "audit-2")):
        with asking(world.uncapped(), plan, kept=True) as answers:
            moments[moment] = answers.sums(beginnings, end=STEPS, run_id=run_id, silos=1)
    stds = {f"train.{name}": plan.release(name).noise_std for name in SUMS} | {STEP: QUIET.noise_std}
    return [
        # Nobody is in a step.
        Drawn(moment, *key, ((values - exact.get(key, 0.0)) / stds[key[1]]))
        for moment, found in moments.items()
        for key, values in found.items()
    ]


def _questions() -> list[Question]:
    sums = [(f"train.{name}", number) for name in SUMS for number in range(ROUNDS.get(name, 1))]
    return [*sums, *((STEP, number) for number in range(STEPS))]


def _beginnings() -> list[Question]:
    return [question for question in _questions() if question[1] == 0]


def _forked(answers: Answers) -> Sums:
    """The first questions, asked of silos in a child of this process: a copy of all that it holds."""

    def ask() -> Sums:
        with asking(answers.world, answers.plan, kept=True) as own:
            return own.sums(_questions()[:2])

    return _in_child(ask)


def _in_child(work: Callable[[], T]) -> T:
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(work, sending))
    child.start()
    sending.close()
    found: T = receiving.recv()
    child.join()
    return found


def _work(work: Callable[[], object], sending: Connection) -> None:
    sending.send(work())


def _pairs(drawn: Sequence[Drawn], alike: Callable[[Drawn, Drawn], bool]) -> list[tuple[Drawn, Drawn]]:
    return [(one, other) for one, other in combinations(drawn, 2) if alike(one, other)]


def _finding(kind: str, pairs: Sequence[tuple[Drawn, Drawn]]) -> Finding:
    odds = [min(1.0, 2 * len(pairs) * _odds(one.noise, other.noise)) for one, other in pairs]
    worst = int(np.argmin(odds))
    one, other = pairs[worst]
    words = (
        f"noise of different {kind}, {len(pairs)} pairs of releases: the most alike ({one.stage[6:]} and "
        f"{other.stage[6:]}) are so by chance {odds[worst]:.2g}"
    )
    return Finding("independence", odds[worst] >= FALSE_ALARM, odds[worst], FALSE_ALARM, words)


def _odds(one: Values, other: Values) -> float:
    one, other = one[:LONGEST], other[:LONGEST]
    return min(chance.of_cosines(one, other), chance.of_matches(one, other))


def _sizes(drawn: Sequence[Drawn]) -> Finding:
    """Noise of each message, both halves of it and all of it, in the deviation that was charged."""
    odds = {
        f"{one.stage[6:]}, round {one.number}, {one.moment}, silo {one.silo}, {part}": min(
            1.0, 3 * len(drawn) * chance.of_variance(values)
        )
        for one in drawn
        for part, values in zip(("all", "first half", "last half"), _parts(one.noise), strict=True)
    }
    worst = min(odds, key=lambda name: odds[name])
    words = f"noise of a message that is the oddest in size ({worst}) is so by chance {odds[worst]:.2g}"
    return Finding("independence", odds[worst] >= FALSE_ALARM, odds[worst], FALSE_ALARM, words)


def _parts(noise: Values) -> tuple[Values, Values, Values]:
    half = len(noise) // 2
    return noise, noise[:half], noise[half:]


def _forked_source() -> Finding:
    """One source, made before two children are: each draws from its copy of it."""
    source = Unreleased()
    source.normal(2, 1.0)
    here, one, other = (
        source.normal(LONGEST, 1.0),
        *(_in_child(lambda: source.normal(LONGEST, 1.0)) for _ in range(2)),
    )
    odds = min(_odds(a, b) for a, b in combinations((here, one, other), 2))
    words = f"noise of one source in forked processes is alike by chance {odds:.2g}"
    return Finding("independence", odds >= FALSE_ALARM, odds, FALSE_ALARM, words)
