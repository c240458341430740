from __future__ import annotations

import copy
import inspect
import math
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.evidence.bars import Bar
from recsys.errors import PlanError
from recsys.privacy import mechanisms
from recsys.privacy.mechanisms import SecureNoise, noised_sum, release_sum
from recsys.privacy.plan import DpSgdPlan, ReleasePlan
from tests.recsys.privacy.builders import FixedNoise

PLAN = ReleasePlan("popularity", clip_norm=0.5, noise_multiplier=4.0)


MILLION = 1_000_000

LIMITS = {
    "sigma off by": 0.005,
    "mean off by": 6 / math.sqrt(MILLION),
    # 2 exp(-2 n d^2) is the chance of a larger distance.
    "Kolmogorov-Smirnov distance": 3.2e-3,
    "excess kurtosis": 6.5 * math.sqrt(24 / MILLION),
    "skewness": 6.5 * math.sqrt(6 / MILLION),
    # In float64 two of a million agree by chance once in 60,000 times, and two couples of them never.
    "values drawn again": 2.0,
}
"""Each is reached by correct noise less than once in 10^8 times."""


def distances(draws: np.ndarray) -> np.ndarray:
    """How far a million draws are from the standard normal distribution, in the order of the limits."""
    found = {
        "sigma off by": abs(draws.std() - 1),
        "mean off by": abs(draws.mean()),
        "Kolmogorov-Smirnov distance": stats.kstest(draws, "norm").statistic,
        "excess kurtosis": abs(stats.kurtosis(draws)),
        "skewness": abs(stats.skew(draws)),
        "values drawn again": len(draws) - len(np.unique(draws)),
    }
    return np.array([found[name] for name in LIMITS])


@pytest.mark.evidence
def test_a_million_draws_are_normal(
    counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    repetitions, worst = counted(2, 100), np.zeros(len(LIMITS))
    for _ in range(repetitions):
        worst = np.maximum(worst, distances(SecureNoise().normal(MILLION, 3.0) / 3.0))
    evidence(
        "secure noise: a million draws against the normal distribution",
        measured=f"{repetitions} times, the worst of each",
        bars=[Bar(name, worst[number], below=limit) for number, (name, limit) in enumerate(LIMITS.items())],
    )


@pytest.mark.parametrize("limit", [2.0, 3.0, 4.0, 4.5])
def test_tails_are_as_heavy_as_they_should_be(limit: float) -> None:
    draws, n = SecureNoise().normal(4 * MILLION, 1.0), 4 * MILLION
    for side in (draws, -draws):
        beyond = int((side > limit).sum())
        assert stats.binom.sf(beyond - 1, n, stats.norm.sf(limit)) > 1e-9
        assert stats.binom.cdf(beyond, n, stats.norm.sf(limit)) > 1e-9


def test_the_halves_of_a_pair_and_neighbouring_pairs_are_independent() -> None:
    draws = SecureNoise().normal((MILLION, 2), 1.0)
    first, second = draws.T
    couples = [(first, second), (first[1:], first[:-1]), (second[1:], first[:-1])]
    # Squares and signs too: values made of one radius are uncorrelated even where they are not independent.
    for transform in (np.asarray, np.square, np.sign):
        for left, right in couples:
            correlation = np.corrcoef(transform(left), transform(right))[0, 1]
            assert abs(correlation) < 6.5 / math.sqrt(MILLION - 1)
    radius, angle = np.square(draws).sum(1), np.arctan2(second, first)
    assert stats.kstest(radius, "chi2", args=(2,)).statistic < 3.2e-3
    assert stats.kstest(angle / (2 * np.pi) + 0.5, "uniform").statistic < 3.2e-3


@pytest.mark.parametrize(
    "shape", [(), 0, 1, 5, (3, 7), (0, 4), 2 * mechanisms.CHUNK + 1, (2 * mechanisms.CHUNK, 2)]
)
def test_every_place_of_every_shape_is_filled(shape: int | tuple[int, ...]) -> None:
    draws = SecureNoise().normal(shape, 1.0)
    assert draws.shape == np.empty(shape).shape
    assert draws.dtype == np.float64
    assert np.isfinite(draws).all()
    assert len(np.unique(draws)) == draws.size


def test_draws_are_those_of_box_and_muller() -> None:
    raw = np.frombuffer(np.random.default_rng(5).bytes(16 * 8), dtype=np.uint64) >> np.uint64(11)
    u = raw / 2.0**53
    radius = np.sqrt(-2 * np.log(1 - u[:8])) * 2.0
    expected = np.stack([radius * np.cos(2 * np.pi * u[8:]), radius * np.sin(2 * np.pi * u[8:])], axis=1)
    np.testing.assert_allclose(FixedNoise(5).normal(16, 2.0), expected.ravel(), rtol=1e-9)


def test_directions_are_exact_in_float64_and_cover_the_circle() -> None:
    edges = np.arange(mechanisms.SECTORS, dtype=np.uint64) << mechanisms.SECTOR_SHIFT
    drawn = np.random.default_rng(0).integers(0, 2**53, 100_000).astype(np.uint64)
    turns = np.concatenate([edges, edges - np.uint64(1) & np.uint64(2**53 - 1), drawn])
    found = np.empty(len(turns), np.complex128)
    mechanisms._turn(np.ones(len(turns)), turns, found)
    # 80-bit arithmetic where the machine has it; the angle is what float64 would lose.
    angle = turns.astype(np.longdouble) / 2**52 * np.arctan2(np.longdouble(0), np.longdouble(-1))
    assert np.abs(found.real - np.cos(angle)).max() < 2e-15
    assert np.abs(found.imag - np.sin(angle)).max() < 2e-15


def test_the_largest_draw_is_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = SecureNoise()
    monkeypatch.setattr(noise, "_bytes", lambda n: b"\xff" * n)
    assert np.abs(noise.normal(4, 1.0)).max() == pytest.approx(math.sqrt(2 * 53 * math.log(2)), rel=1e-3)


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), float("inf"), True])
def test_noise_that_is_none_is_refused(std: float) -> None:
    with pytest.raises(PlanError, match="noise standard deviation"):
        SecureNoise().normal(3, std)


def test_two_sources_never_agree() -> None:
    first, second = SecureNoise(), SecureNoise()
    draws = [source.normal(100, 1.0) for source in (first, second, first, second)]
    assert len(np.unique(np.concatenate(draws))) == 400


def test_nothing_can_seed_copy_or_save_a_source() -> None:
    assert list(inspect.signature(SecureNoise).parameters) == []
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied or saved"):
            attempt(SecureNoise())


def test_a_forked_process_draws_its_own_noise() -> None:
    noise = SecureNoise()
    noise.normal(1, 1.0)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, noise.normal(8, 1.0).tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = np.frombuffer(os.read(reader, 64))
    assert len(theirs) == 8
    assert not np.isin(noise.normal(8, 1.0), theirs).any()


def test_threads_share_a_source_without_repeating() -> None:
    noise = SecureNoise()
    with ThreadPoolExecutor(4) as pool:
        draws = list(pool.map(lambda _: noise.normal(1000, 1.0), range(20)))
    assert len(np.unique(np.concatenate(draws))) == 20_000


def test_the_sample_is_poisson() -> None:
    noise, n, rate, rounds = SecureNoise(), 200, 0.1, 4000
    drawn = np.array([np.isin(np.arange(n), noise.poisson_sample(n, rate)) for _ in range(rounds)])
    sizes = drawn.sum(1)
    assert sizes.mean() == pytest.approx(n * rate, abs=6 * math.sqrt(n * rate * (1 - rate) / rounds))
    assert sizes.var() == pytest.approx(n * rate * (1 - rate), rel=6 * math.sqrt(2 / rounds))
    each = drawn.mean(0)
    assert np.abs(each - rate).max() < 6.5 * math.sqrt(rate * (1 - rate) / rounds)
    together = (drawn[:, 0] & drawn[:, 1]).mean()
    assert together == pytest.approx(rate**2, abs=6 * math.sqrt(rate**2 / rounds))


def test_the_sample_may_be_empty_or_everyone() -> None:
    noise = SecureNoise()
    assert noise.poisson_sample(50, 1.0).tolist() == list(range(50))
    assert noise.poisson_sample(0, 0.5).tolist() == []
    assert noise.poisson_sample(50, 1e-17).tolist() == []
    uniform = noise.uniform(10_000)
    assert uniform.min() >= 0
    assert uniform.max() < 1


@given(st.floats(allow_nan=True, allow_infinity=True).filter(lambda q: not 0 < q <= 1))
def test_a_rate_that_is_no_probability_is_refused(rate: float) -> None:
    with pytest.raises(PlanError, match="sampling_rate"):
        SecureNoise().poisson_sample(3, rate)


def test_a_release_is_its_sum_plus_the_plans_noise() -> None:
    total = np.arange(200_000, dtype=np.float64)
    released = noised_sum(total, PLAN, SecureNoise(), 10)
    assert released.dtype == np.float32
    assert (released - total).std() == pytest.approx(2.0, rel=0.02)
    steps = DpSgdPlan(clip_norm=0.5, noise_multiplier=2.0, sampling_rate=0.1, steps=3)
    assert noised_sum(np.zeros((400, 50)), steps, SecureNoise(), 0).std() == pytest.approx(1.0, rel=0.04)


def test_batches_make_no_difference_and_noise_is_added_once() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    whole = release_sum([rows], PLAN, FixedNoise(1))
    parts = release_sum((rows[k : k + 7] for k in range(0, 60, 7)), PLAN, FixedNoise(1))
    np.testing.assert_allclose(whole, parts, rtol=1e-6)


def test_no_customers_still_give_noise() -> None:
    assert np.abs(release_sum([np.zeros((0, 4))], PLAN, SecureNoise())).min() > 0
    with pytest.raises(PlanError, match="no batches"):
        release_sum([], PLAN, SecureNoise())


def test_an_unclipped_sum_is_refused() -> None:
    with pytest.raises(PlanError, match="popularity: the sum is not finite"):
        noised_sum(np.array([1.0, np.nan]), PLAN, SecureNoise(), 2)
