"""The accountant against references that are not the accountant: never below one, at most 2 % above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from experiments.evidence.bars import Bar
from recsys.privacy import accountant
from recsys.privacy.accountant import clt_mu_squared
from recsys.privacy.calibration import gaussian_dp_epsilon
from recsys.privacy.events import PrivacyEvent
from tests.recsys.privacy.references import Epsilon, closed_form, fourier, opacus_prv, quadrature

ABOVE = 1.02
# The stated error of references that round losses to a grid, as a share of epsilon.
ERROR = 2e-3
# Above it a promise means nothing.
LARGEST = 150.0


@dataclass(frozen=True)
class Point:
    """Composed events and the delta to account them at."""

    events: tuple[PrivacyEvent, ...]
    delta: float


def rough(point: Point) -> float:
    """Epsilon by the central limit theorem, to choose points by; far too much where noise is small."""
    return gaussian_dp_epsilon(sum(map(clt_mu_squared, point.events)) ** 0.5, point.delta)


def plain() -> Iterator[Point]:
    for noise, steps, delta in product((0.3, 0.7, 1.0, 2.0, 5.0, 20.0, 100.0), (1, 60), (1e-5, 1e-6, 1e-9)):
        yield Point((PrivacyEvent(noise, 1.0, steps),), delta)


def one_step() -> Iterator[Point]:
    noises, rates = (0.3, 0.6, 1.0, 2.0, 5.0, 20.0), (1e-3, 0.01, 0.1, 0.5, 0.95)
    for noise, rate, delta in product(noises, rates, (1e-5, 1e-8)):
        yield Point((PrivacyEvent(noise, rate),), delta)


def many_steps() -> Iterator[Point]:
    noises, rates, steps = (0.6, 1.0, 2.0, 5.0), (1e-3, 0.01, 0.1, 0.5), (10, 100, 1_000, 10_000)
    for noise, rate, n, delta in product(noises, rates, steps, (1e-5, 1e-6, 1e-9)):
        point = Point((PrivacyEvent(noise, rate, n),), delta)
        if rough(point) < LARGEST:
            yield point


def for_prv() -> Iterator[Point]:
    """PRV's grid follows the absolute error: without limits the smallest epsilons would need 10^8 points."""
    return (point for point in many_steps() if rough(point) > 1.0 and point.events[0].steps <= 1_000)


def corners() -> Iterator[Point]:
    """Little noise, tiny rates, very many steps: where grids of losses are hard to choose."""
    for noise, rate, steps in (
        (0.3, 0.05, 100),
        (0.3, 1e-3, 1_000),
        (0.4, 0.05, 1_000),
        (0.4, 0.2, 100),
        (0.3, 1e-4, 100),
        (1.0, 1e-3, 200_000),
        (1.0, 1e-3, 1_000_000),
        (20.0, 0.99, 50),
    ):
        yield Point((PrivacyEvent(noise, rate, steps),), 1e-6)


def mixtures() -> Iterator[Point]:
    """Runs as plans make them: noised sums and steps, several runs and silos together, drawn at random."""
    random = np.random.default_rng(11)
    for _ in range(24):
        towers = [
            PrivacyEvent(
                random.uniform(0.7, 4.0), random.choice([0.01, 0.05, 0.2]), int(random.integers(10, 300))
            )
            for _ in range(random.integers(1, 4))
        ]
        sums = [PrivacyEvent(random.uniform(2.0, 30.0)) for _ in range(random.integers(0, 5))]
        yield Point((*towers, *sums), float(random.choice([1e-5, 1e-6, 1e-8])))


def by_closed_form(point: Point, ours: float) -> Epsilon:
    (event,) = point.events
    return closed_form(event.noise_multiplier / event.steps**0.5, point.delta)


def by_quadrature(point: Point, ours: float) -> Epsilon:
    (event,) = point.events
    return quadrature(event.noise_multiplier, event.sampling_rate, point.delta)


def by_fourier(point: Point, ours: float) -> Epsilon:
    return fourier(accountant.canonical(point.events), point.delta, ERROR * ours)


def by_prv(point: Point, ours: float) -> Epsilon:
    return opacus_prv(point.events, point.delta, ERROR * ours)


FAMILIES: dict[str, tuple[Callable[[], Iterator[Point]], Callable[[Point, float], Epsilon], int]] = {
    "closed form, plain Gaussian": (plain, by_closed_form, 6),
    "quadrature, one sampled step": (one_step, by_quadrature, 6),
    "Fourier composition, sampled steps": (many_steps, by_fourier, 8),
    "Opacus' PRV, sampled steps": (for_prv, by_prv, 2),
    "Fourier composition, corners": (corners, by_fourier, 2),
    "Fourier composition, different events": (mixtures, by_fourier, 3),
}
"""Points, reference, and how many points every build takes."""


def spread(points: list[Point], wanted: int) -> list[Point]:
    """So many points, from the first to the last."""
    chosen = np.unique(np.linspace(0, len(points) - 1, min(wanted, len(points))).round().astype(int))
    return [points[number] for number in chosen]


@pytest.mark.evidence
@pytest.mark.parametrize("family", FAMILIES)
def test_never_below_a_reference_and_at_most_two_percent_above(
    family: str, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    points, reference, few = FAMILIES[family]
    every = list(points())
    chosen, largest = spread(every, counted(few, len(every))), 0.0
    below = 0
    for point in chosen:
        ours = accountant.epsilon(point.events, point.delta)
        found = reference(point, ours)
        below += not found.low <= ours
        assert found.low <= ours, point
        assert ours <= ABOVE * found.high, (point, ours, found)
        largest = max(largest, ours / found.high)
    evidence(
        f"accountant grid: {family}",
        measured=f"{len(chosen)} points",
        bars=[
            Bar("points below the reference minus its stated error", below, at_most=0),
            Bar("largest ratio to the reference plus its stated error", largest, at_most=ABOVE),
        ],
    )


def test_the_grid_has_two_hundred_points() -> None:
    points = {point for family, *_ in FAMILIES.values() for point in family()}
    assert len(points) >= 200


@pytest.mark.parametrize("delta", [1e-5, 1e-9])
def test_references_agree_where_more_than_one_applies(delta: float) -> None:
    for noise in (0.7, 3.0):
        exact = closed_form(noise, delta)
        for rounded in (
            fourier([PrivacyEvent(noise)], delta, 1e-3),
            fourier([PrivacyEvent(10 * noise, 1.0, 100)], delta, 1e-3),
        ):
            assert rounded.low <= exact.low <= exact.high <= rounded.high
        step = quadrature(noise, 0.1, delta)
        rounded = fourier([PrivacyEvent(noise, 0.1)], delta, 1e-3)
        assert rounded.low <= step.low <= step.high <= rounded.high
        assert rounded.high - rounded.low < 2.3e-3
