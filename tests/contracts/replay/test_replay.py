"""One customer more or less: the same control flow, and a release that moves by at most the bound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.evidence.bars import Bar
from recsys.data.history import Histories
from recsys.models import popularity
from recsys.privacy.mechanisms import noised_sum
from recsys.privacy.plan import MECHANISMS as PLANNED
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.releases import TOWERS
from tests.contracts.replay.mechanisms import (
    MECHANISMS,
    PLAN,
    Outcome,
    Run,
    Stage,
    bound_and_noise,
    head_sum,
)
from tests.contracts.replay.worlds import KINDS, N_ITEMS, Pair, draw_pair
from training.config import POPULARITY, SiloSettings
from training.loading import TrainingData
from training.spend import Released, Reservation


def test_every_mechanism_of_the_plan_is_replayed() -> None:
    assert set(MECHANISMS) == set(PLANNED)


def worlds(stage: Stage, pair: Pair) -> tuple[Outcome, Outcome, Outcome]:
    """The release with the customer, without, and of that customer alone; the first two in either order."""
    with_one = np.arange(len(pair.customers))
    without, alone = np.delete(with_one, pair.position), with_one[[pair.position]]
    order = [with_one, without] if pair.seed % 2 else [without, with_one]
    found = {
        len(chosen): stage.run(
            [pair.customers[c] for c in chosen], pair.coins[chosen], pair.keys[chosen], pair.seed
        )
        for chosen in order
    }
    only = stage.run([pair.customers[pair.position]], pair.coins[alone], pair.keys[alone], pair.seed)
    return found[len(with_one)], found[len(without)], only


def rounding(name: str, clip_norm: float, n: int) -> float:
    """What float32 may add to a difference of two sums of n vectors of this norm.

    Released sums are rounded once per coordinate, to 2^-24 of it: in the three worlds together, of n, n - 1
    and 1 vectors. Before that they are exact; only the towers' sums are added up in float32:
    about log2(n) roundings each, of values up to n * clip_norm, in each of the worlds compared.
    """
    unit = 2.0**-24 * clip_norm * max(n, 1)
    return unit * (8 * (2 + np.log2(max(n, 1))) if name == TOWERS else 2)


def violations(name: str, pair: Pair, more: Outcome, less: Outcome, alone: Outcome) -> list[str]:
    """What is not as promised in a pair of neighbouring worlds; `alone` is the world of their difference."""
    clip_norm, noise_std = bound_and_noise(name)
    allowed = rounding(name, clip_norm, len(pair.customers))
    draws = [(np.prod(shape), std) for _, shape, std in _requests(more, "normal")]
    rates = [rate for _, rate in _requests(more, "coins")]
    if more.flow != less.flow or more.flow != alone.flow:
        return ["the control flow differs"]
    moved = more.values.astype(np.float64) - less.values
    found = {
        "not one draw for all coordinates": [size for size, _ in draws] != [more.values.size],
        "another standard deviation": not np.allclose([std for _, std in draws], noise_std, rtol=1e-12),
        "another sampling rate": rates != ([PLAN.dpsgd.sampling_rate] if name == TOWERS else []),
        "moved by more than the clip norm": not np.linalg.norm(moved) <= clip_norm + allowed,
        "another customer's share moved": not np.linalg.norm(moved - alone.values) <= allowed,
    }
    return [what for what, is_so in found.items() if is_so]


def _requests(outcome: Outcome, kind: str) -> list[tuple[Any, ...]]:
    return [request for request in outcome.requests if request[0] == kind]


FURTHER: dict[str, tuple[str, Run]] = {"popularity of the head": (POPULARITY, head_sum)}
"""Later rounds that add up something else: the mechanism that they belong to, and how to run them."""


@pytest.mark.evidence
@pytest.mark.parametrize("told", [*MECHANISMS, *FURTHER])
def test_neighbours_replayed(
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counted: Callable[[int, int], int],
    evidence: Callable[..., None],
) -> None:
    name, mechanism = FURTHER.get(told, (told, None))
    stage, (clip_norm, _) = Stage(name, tmp_path, monkeypatch, mechanism), bound_and_noise(name)
    pairs, largest, excess = counted(len(KINDS), 1040), 0.0, -np.inf
    for number in range(pairs):
        pair = draw_pair(number)
        more, less, alone = worlds(stage, pair)
        assert violations(name, pair, more, less, alone) == [], (number, pair.kind)
        moved = float(np.linalg.norm(more.values.astype(np.float64) - less.values))
        largest = max(largest, moved)
        excess = max(excess, (moved - clip_norm) / rounding(name, clip_norm, len(pair.customers)))
    # If no customer came near the bound, nothing was measured.
    evidence(
        f"neighbours replayed: {told}",
        bar="in each pair the same control flow, the planned draw, and nobody else's share moved",
        measured=f"{pairs} pairs, 0 violations",
        bars=[
            Bar("largest move, of the clip norm,", largest / clip_norm, above=0.8),
            Bar("move beyond the clip norm, of what float32 may round,", excess, at_most=1),
        ],
    )


def _release(total: Callable[[Histories], np.ndarray]) -> Run:
    """A noised and charged sum under the name of popularity, bounded or not."""

    def run(data: TrainingData, plan: PrivacyPlan, _: SiloSettings, reservation: Reservation) -> Released:
        values, customers = total(data.dataset.histories), len(data.dataset.customer_ids)
        release = plan.release(POPULARITY)
        return reservation.release(
            POPULARITY, lambda noise: noised_sum(values, release, noise, max(customers, 1))
        )

    return run


def _bounded(histories: Histories) -> np.ndarray:
    return popularity.contribution(histories, N_ITEMS, 10)


def _clipped_together(histories: Histories) -> np.ndarray:
    counts = np.bincount(histories.items, minlength=N_ITEMS).astype(np.float64)
    return counts * min(1.0, 0.9 * len(histories) / max(np.linalg.norm(counts), 1.0))


def _first_decides(histories: Histories) -> np.ndarray:
    total = _bounded(histories)
    total[histories.items[: histories.offsets[min(1, len(histories))]]] = 0.0
    return total


BROKEN = {
    "the sum is clipped, not the customers": _clipped_together,
    "divided by the real number of customers": lambda h: _bounded(h) / max(len(h), 1),
    "one customer decides which items count": _first_decides,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_mechanism_is_caught(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each passes the checks that a release makes of itself; only its neighbour gives it away."""
    stage = Stage(POPULARITY, tmp_path, monkeypatch, _release(BROKEN[broken]))
    pairs = [draw_pair(number) for number in range(2 * len(KINDS))]
    assert any(violations(POPULARITY, pair, *worlds(stage, pair)) for pair in pairs)
