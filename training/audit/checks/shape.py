"""The shape of the noise that leaves: normal, on every coordinate, alike everywhere and nowhere a copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from training.audit.checks import chance
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.frozen import exact, frozen_choices
from training.audit.checks.noise import EVERYONE, NOBODY
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import TOWERS

Values = NDArray[np.float64]

FALSE_ALARM = 1e-10  # of one comparison
STEPS: Values = np.exp2(-np.arange(4.0, 20.0))
"""In standard deviations: from steps that noise hardly feels to what float32 resolves."""
PHASED = 4_096  # draws that are looked at for steps
DRAWS, LEAST_REPEATS, MOST_REPEATS = 5_000, 3, 60  # of each mechanism in each silo


def shape_of_sums() -> list[Finding]:
    """Every noised sum of every silo, less the exact sum, in the standard deviation that was charged."""
    world = bench()
    silos = range(len(world.federation.silos))
    plan = plan_of(world)
    subjects = [Subject(world, silo=silo) for silo in silos]
    return [found for name in SUMS for found in _findings(name, [_of_sum(s, name, plan) for s in subjects])]


def plan_of(world: Bench) -> PrivacyPlan:
    """With as many rounds of each sum as are drawn."""
    return world.plan(NOBODY, rounds=dict.fromkeys(SUMS, MOST_REPEATS))


def shape_of_steps() -> list[Finding]:
    """The same for the towers' steps, with everyone in the batch and with nobody."""
    world, found = bench(), list[Finding]()
    for words, step in (("everyone in the batch", EVERYONE), ("nobody in the batch", NOBODY)):
        parts = [_of_steps(world, silo, step) for silo in range(len(world.federation.silos))]
        found += _findings(f"{TOWERS}, {words}", parts)
    return [*found, _empty([sum_ for _, sum_ in parts])]


def _empty(sums: list[Values]) -> Finding:
    """The last parts' sums, of steps with nobody: one in 10^4 has somebody, two of three in 10^8."""
    filled = sum(bool(sum_.any()) for sum_ in sums)
    words = f"{filled} of {len(sums)} silos have somebody in a step in which nobody is sampled"
    return Finding("shape", filled <= 1, filled, 1, words)


Part = tuple[Values, Values]
"""A silo's noise in charged standard deviations, [repeats, n], and the exact sum under it, [n]."""


def _of_sum(subject: Subject, name: str, plan: PrivacyPlan) -> Part:
    sum_ = exact(lambda: subject.release(name, plan))
    repeats = min(MOST_REPEATS, max(LEAST_REPEATS, DRAWS // len(sum_)))
    return (subject.drawn(name, plan, repeats) - sum_) / plan.release(name).noise_std, sum_


def _of_steps(world: Bench, silo: int, step: DpSgdPlan) -> Part:
    subject, plan = Subject(world, silo=silo), world.plan(step)
    sum_ = exact(lambda: subject.release(TOWERS, plan))
    with frozen_choices():
        values = subject.repeated(TOWERS, plan, LEAST_REPEATS)
    return (values - sum_) / step.noise_std, sum_


def _findings(name: str, parts: list[Part]) -> list[Finding]:
    noise = [values for values, _ in parts]
    odds = {
        "size": {where: chance.of_variance(some) for where, some in _groups(parts)},
        "mean": {where: chance.of_mean(some) for where, some in _groups(parts)},
        "shape": chance.of_shape(np.concatenate([values.ravel() for values in noise])),
        "evenness": _evenness(noise),
        "copies": _copies(noise),
        "wholes": _wholes(noise),
        "grid": {"multiples of a step": chance.of_phases(_some(noise), STEPS)},
    }
    return [_finding(name, aspect, found) for aspect, found in odds.items()]


def _groups(parts: list[Part]) -> Iterator[tuple[str, Values]]:
    """Noise by what is under it and by where it is."""
    noise = np.concatenate([values.ravel() for values, _ in parts])
    under = np.concatenate([np.tile(sum_, len(values)) for values, sum_ in parts])
    place = np.concatenate([np.tile(np.arange(len(sum_)) / len(sum_), len(values)) for values, sum_ in parts])
    for silo, (values, _) in enumerate(parts):
        yield f"of silo {silo}", values
    sizes = np.abs(under)
    large = sizes > np.median(sizes[sizes > 0]) if sizes.any() else sizes > 0
    masks = {
        "where nothing is": under == 0,
        "where something is": under != 0,
        "on large sums": large,
        "on negative sums": under < 0,
        "on single contributions": (sizes > 0) & ~large,
        **{f"in tenth {tenth + 1}": (place * 10).astype(int) == tenth for tenth in range(10)},
    }
    yield from ((where, noise[mask]) for where, mask in masks.items() if mask.any())


def _evenness(noise: list[Values]) -> Mapping[str, float]:
    """Coordinates and releases, each for itself."""
    repeats = sum(len(values) for values in noise)
    coordinates = np.square(np.concatenate(noise)).sum(axis=0)
    means = np.square(np.concatenate(noise).sum(axis=0)) / repeats
    releases = np.concatenate([np.square(values).sum(axis=1) for values in noise])
    return {
        "the oddest coordinate": chance.of_squares(coordinates, repeats),
        "the coordinate that is moved most": chance.of_squares(means, 1) if means.min() else 0.0,
        "the oddest release": chance.of_squares(releases, noise[0].shape[1]),
    }


def _copies(noise: list[Values]) -> Mapping[str, float]:
    """Coordinates against each other, in one vector."""
    return {
        "equal sizes": min(1.0, chance.of_matches(noise[0][0]) * 2),
        "equal sizes in any release": chance.of_matches(np.concatenate(noise)[:, :64].ravel()),
        "neighbours and mirrored places": chance.of_autocorrelation(np.concatenate(noise)),
    }


def _wholes(noise: list[Values]) -> Mapping[str, float]:
    """What releases add up to, as such and with every other sign turned: no total is kept free of noise."""
    n = noise[0].shape[1]
    signs = np.where(np.arange(n) % 2, -1.0, 1.0)
    every = np.concatenate(noise)
    return {
        "totals of releases": chance.of_variance(every.sum(axis=1) / n**0.5),
        "totals with signs in turn": chance.of_variance(every @ signs / n**0.5),
        "sizes of releases": chance.of_spread(np.square(every).sum(axis=1), n),
    }


def _some(noise: list[Values]) -> Values:
    """From each silo and release alike."""
    every = np.concatenate(noise)
    return every[:, : max(1, PHASED // len(every))]


def _finding(name: str, aspect: str, odds: Mapping[str, float]) -> Finding:
    worst = min(odds, key=lambda what: odds[what])
    words = f"{name}: {aspect} of noise, {worst}: chance {odds[worst]:.2g} if it were what was charged"
    return Finding("shape", odds[worst] >= FALSE_ALARM, odds[worst], FALSE_ALARM, words)
