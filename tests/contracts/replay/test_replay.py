"""One customer more or less: the same control flow, and a release that moves by at most the bound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recsys.privacy.plan import MECHANISMS as PLANNED
from recsys.privacy.releases import TOWERS
from tests.contracts.replay.mechanisms import MECHANISMS, PLAN, Outcome, Stage, bound_and_noise
from tests.contracts.replay.worlds import KINDS, Pair, draw_pair


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

    Released sums are rounded once per coordinate, to 2^-24 of it. The towers' sums are added up in float32:
    about log2(n) roundings each, of values up to n * clip_norm, in each of the worlds compared.
    """
    unit = 2.0**-24 * clip_norm * max(n, 1)
    return unit * (8 * (2 + np.log2(max(n, 1))) if name == TOWERS else 3)


@pytest.mark.evidence
@pytest.mark.parametrize("name", MECHANISMS)
def test_neighbours_replayed(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counted: Callable[[int, int], int],
    evidence: Callable[..., None],
) -> None:
    stage, (clip_norm, noise_std) = Stage(name, tmp_path, monkeypatch), bound_and_noise(name)
    pairs, largest = counted(2 * len(KINDS), 1040), 0.0
    for number in range(pairs):
        pair = draw_pair(number)
        more, less, alone = worlds(stage, pair)
        assert more.flow == less.flow == alone.flow, pair.kind
        draws = [request[1:] for request in more.requests if request[0] == "normal"]
        assert [np.prod(shape) for shape, _ in draws] == [more.values.size]
        assert [std for _, std in draws] == [pytest.approx(noise_std, rel=1e-12)]
        coins = [rate for kind, rate, *_ in more.requests if kind == "coins"]
        assert coins == ([PLAN.dpsgd.sampling_rate] if name == TOWERS else [])
        moved = more.values.astype(np.float64) - less.values
        allowed = rounding(name, clip_norm, len(pair.customers))
        assert np.linalg.norm(moved) <= clip_norm + allowed, pair.kind
        assert np.linalg.norm(moved - alone.values) <= allowed, f"{pair.kind}: another customer's share moved"
        largest = max(largest, float(np.linalg.norm(moved)))
    assert largest > 0.8 * clip_norm, "no customer came near the bound: nothing was measured"
    evidence(
        f"neighbours replayed: {name}",
        bar="the same control flow; the release moves by at most the clip norm",
        measured=f"{pairs} pairs, 0 violations, largest move {largest / clip_norm:.4f} of the clip norm",
    )
