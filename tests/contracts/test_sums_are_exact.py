"""What a customer adds to a sum is the own vector, bit by bit: rounding ties nobody together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import Histories
from recsys.models import demand, followups, intervals, popularity, rhythm, season
from recsys.models.category_scope import CategoryScope
from recsys.models.weighing import Weighing
from recsys.privacy.clipping import clip_rows, on_grid, segment_sum
from tests.recsys.histories_builder import make_catalogue, random_histories

N_ITEMS, END, CUSTOMERS = 8, 400, 2_000
NAMES = ("pans", "lids", "soap", "salt")
CATALOGUE = make_catalogue([*NAMES, *NAMES])
SCOPE = CategoryScope(NAMES, np.arange(N_ITEMS, dtype=np.int32) % 4)
POPULAR = np.arange(1.0, N_ITEMS + 1) / 36.0
PUBLIC = rhythm.Public(np.full(N_ITEMS, np.log(20.0)), np.zeros(N_ITEMS), np.ones(N_ITEMS, bool), END)

SUMS: dict[str, Callable[[Histories], np.ndarray]] = {
    "popularity": lambda h: popularity.contribution(h, N_ITEMS, 5, Weighing(0.9, 0.5, 2.5, 30.0)),
    "intervals": lambda h: intervals.contribution(h, CATALOGUE),
    "rhythm": lambda h: rhythm.contribution(h, PUBLIC, np.full(rhythm.DIMENSIONS, 0.1)),
    "season": lambda h: season.contribution(h, CATALOGUE, season.Window(END + 165), full_days=3.0),
    "followups": lambda h: followups.contribution(h, SCOPE, end=END, full_cells=3.0),
    "demand": lambda h: demand.contribution(h, demand.Scope.of(CATALOGUE, POPULAR, demand.Bounds(), END)),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_customer_adds_the_own_vector_bit_by_bit(name: str) -> None:
    h = random_histories(CUSTOMERS, 30, N_ITEMS, seed=5, days=END)
    whole = SUMS[name](h)
    assert np.abs(whole).max() > 10.0
    for gone in (0, 7, CUSTOMERS - 1):
        rest = SUMS[name](h.select(np.delete(np.arange(CUSTOMERS), gone)))
        alone = SUMS[name](h.select(np.array([gone])))
        assert alone.any()
        np.testing.assert_array_equal(whole - rest, alone)


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=50),
    st.floats(1e-6, 1e6),
    st.integers(0, 2**32 - 1),
)
def test_sums_on_the_grid_do_not_depend_on_their_order(
    values: list[float], clip_norm: float, seed: int
) -> None:
    random, clipped = np.random.default_rng(seed), np.array(values) * clip_norm
    kept = on_grid(clipped, clip_norm)
    assert (np.abs(kept) <= np.abs(clipped)).all()
    np.testing.assert_allclose(kept, clipped, atol=clip_norm * 2.0**-31)
    many = np.repeat(kept, 40_000)  # up to two million
    assert many.cumsum()[-1] == random.permutation(many).cumsum()[-1] == 40_000 * kept.sum()


def test_sparse_sums_are_exact_too() -> None:
    random = np.random.default_rng(1)
    columns, values = random.integers(0, 5, 30_000), random.normal(size=30_000)
    whole = segment_sum(columns, values, np.arange(0, 30_001, 3), 5, 0.7)
    rest = segment_sum(columns[3:], values[3:], np.arange(0, 29_998, 3), 5, 0.7)
    np.testing.assert_array_equal(
        whole - rest, segment_sum(columns[:3], values[:3], np.array([0, 3]), 5, 0.7)
    )
    assert np.linalg.norm(whole - rest) <= 0.7
    assert np.linalg.norm(whole - rest) == pytest.approx(
        np.linalg.norm(clip_rows((whole - rest)[None], 0.7)), rel=1e-5
    )
