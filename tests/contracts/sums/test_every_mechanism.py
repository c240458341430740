"""A customer adds the own vector to each raw sum, bit by bit, whatever is told and whoever else is there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from recsys.data.history import Histories, Ordering
from recsys.models import popularity
from recsys.privacy.clipping import GRID_BITS
from recsys.privacy.plan import MECHANISMS as PLANNED
from recsys.privacy.releases import TOWERS
from recsys.seeds import rng
from tests.contracts.sums.worlds import (
    MECHANISMS,
    N_ITEMS,
    WITHOUT_TIME,
    Random,
    Sum,
    draw_world,
    drawn_chunks,
    size_of,
)


def test_every_mechanism_but_the_towers_is_drawn() -> None:
    assert {*MECHANISMS} - {"popularity of the head"} == {*PLANNED} - {TOWERS}


def bits_that_differ(one: np.ndarray, other: np.ndarray) -> int:
    """Of which 0.0 and -0.0 are the same number."""
    words = (np.ascontiguousarray(values + 0.0).view(np.uint64) for values in (one, other))
    return int(np.bitwise_count(np.bitwise_xor(*words)).sum())


def measured(add_up: Sum, h: Histories, random: Random) -> tuple[int, float]:
    """How many bits are not as promised, and by which norm one of three customers moves the sum at most."""
    everybody, n = np.arange(len(h)), len(h)
    whole, wrong, moved = add_up(h), 0, 0.0
    for gone in sorted({0, n // 2, n - 1}):
        rest, alone = add_up(h.select(np.delete(everybody, gone))), add_up(h.select(everybody[[gone]]))
        wrong += bits_that_differ(whole - rest, alone)
        moved = max(moved, float(np.linalg.norm(whole - rest)))
    wrong += bits_that_differ(whole, add_up(h.select(random.permutation(n))))
    wrong += bits_that_differ(2.0 * whole, add_up(h.select(np.concatenate([everybody, everybody]))))
    steps = whole * 2.0**GRID_BITS
    return wrong + bits_that_differ(steps, np.rint(steps)), moved


@pytest.mark.evidence
@pytest.mark.parametrize("name", MECHANISMS)
def test_a_customer_adds_the_own_vector_bit_by_bit(
    name: str, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    worlds, largest = counted(5, 200), 0.0
    for number in range(worlds):
        random = rng(number, "sums", name)
        timeless = name in WITHOUT_TIME and random.random() < 0.3
        ordering = random.choice([Ordering.ORDER_NUMBER, Ordering.NONE]) if timeless else Ordering.TIMESTAMP
        h = draw_world(random, size_of(number), Ordering(ordering))
        with drawn_chunks(random):
            wrong, moved = measured(MECHANISMS[name](random), h, random)
        assert wrong == 0, f"{wrong} bits differ in world {number}"
        assert moved <= 1.0 + 1e-9
        largest = max(largest, moved)
    assert largest > 0.3, "nobody moved anything: nothing was measured"
    evidence(
        f"sums of every mechanism are exact: {name}",
        bar="0 bits differ; moved by one customer at most 1 clip norm",
        measured=f"{worlds} worlds, 0 bits differ, largest move {largest:.6f} of the clip norm",
    )


def _off_the_grid(h: Histories) -> np.ndarray:
    norms = np.sqrt(np.maximum(np.diff(h.offsets), 1))
    return np.bincount(h.items, 1.0 / norms[h.rows], N_ITEMS)


def _centred_at_once(h: Histories) -> np.ndarray:
    total = popularity.contribution(h, N_ITEMS, 5)
    return np.asarray(total - total.sum() * 0.1)


def _scaled_together(h: Histories) -> np.ndarray:
    return popularity.contribution(h, N_ITEMS, 5) / np.diff(h.offsets).max()


@pytest.mark.parametrize("broken", [_off_the_grid, _centred_at_once, _scaled_together])
def test_sums_that_are_rounded_together_are_caught(broken: Sum) -> None:
    random = rng(0, "sums", "broken")
    assert measured(broken, draw_world(random, 513), random)[0] > 0
