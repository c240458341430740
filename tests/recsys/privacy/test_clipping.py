from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recsys.errors import PlanError
from recsys.privacy.clipping import GRID_BITS, clip_rows, clip_segments, segment_sum

rows = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=5),
    elements=st.one_of(st.floats(-2, 2), st.floats(allow_nan=True, allow_infinity=True)),
)
norms = st.floats(1e-3, 1e3)


@given(rows, norms)
def test_every_row_is_finite_and_within_the_bound(values: np.ndarray, clip_norm: float) -> None:
    clipped = clip_rows(values, clip_norm)
    assert clipped.shape == values.shape
    assert np.isfinite(clipped).all()
    for released in (clipped, clipped.astype(np.float32).astype(np.float64)):
        assert all(np.linalg.norm(row) <= clip_norm for row in released)


@given(rows, norms)
def test_a_row_depends_on_no_other_row(values: np.ndarray, clip_norm: float) -> None:
    alone = [clip_rows(values[k : k + 1], clip_norm) for k in range(len(values))]
    if alone:
        np.testing.assert_array_equal(np.concatenate(alone), clip_rows(values, clip_norm))


def test_small_rows_are_unchanged_and_large_ones_keep_their_direction() -> None:
    clipped = clip_rows(np.array([[0.3, 0.4], [30.0, 40.0]], dtype=np.float32), 1.0)
    np.testing.assert_allclose(clipped, [[0.3, 0.4], [0.6, 0.8]], rtol=1e-5)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_one_non_finite_entry_makes_that_customer_zero(poison: float) -> None:
    values = np.array([[1.0, poison], [0.5, 0.5]])
    np.testing.assert_allclose(clip_rows(values, 1.0), [[0, 0], [0.5, 0.5]])
    flat = clip_segments(values.ravel(), np.array([0, 2, 4]), 1.0)
    np.testing.assert_allclose(flat, [0, 0, 0.5, 0.5])


@pytest.mark.parametrize("size", [1e30, 1e300, 1e-300, 5e-324])
def test_squares_neither_overflow_nor_vanish(size: float) -> None:
    for clipped in (
        clip_rows(np.full((1, 4), size), 1.0)[0],
        clip_segments(np.full(4, size), np.array([0, 4]), 1.0),
    ):
        assert np.linalg.norm(clipped) == pytest.approx(min(1.0, 2 * size), rel=1e-5)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.floats(-5, 5)), max_size=6), max_size=6),
    st.floats(0.1, 5),
)
@example([[(0, 5.533989808904259e-05)], [(0, 1e-08)]], 4.0)
def test_sparse_and_dense_agree(customers: list[list[tuple[int, float]]], clip_norm: float) -> None:
    dense = np.zeros((len(customers), 7))
    for k, entries in enumerate(customers):
        for column, value in entries:
            dense[k, column] += value
    pairs = [pair for entries in customers for pair in entries]
    columns = np.array([column for column, _ in pairs], dtype=np.int64)
    values = np.array([value for _, value in pairs], dtype=np.float64)
    offsets = np.concatenate([[0], np.cumsum([len(entries) for entries in customers])]).astype(np.int64)
    found = segment_sum(columns, values, offsets, 7, clip_norm)
    cut = len(customers) * clip_norm * 2.0**-GRID_BITS  # sums are of entries on the grid, a step each at most
    np.testing.assert_allclose(found, clip_rows(dense, clip_norm).sum(0), atol=cut + 1e-12)


@pytest.mark.parametrize("column", [-1, 7])
def test_columns_outside_the_catalogue_are_refused(column: int) -> None:
    with pytest.raises(PlanError, match="outside 0 to 6"):
        segment_sum(np.array([column]), np.array([1.0]), np.array([0, 1]), 7, 1.0)


@pytest.mark.parametrize("clip_norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bound_that_bounds_nothing_is_refused(clip_norm: float) -> None:
    with pytest.raises(PlanError, match="clip_norm"):
        clip_rows(np.ones((1, 1)), clip_norm)
    with pytest.raises(PlanError, match="clip_norm"):
        clip_segments(np.ones(1), np.array([0, 1]), clip_norm)


def test_no_bit_of_a_row_depends_on_how_the_array_is_ordered_or_on_the_rows_beside_it() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 33))
    among = clip_rows(rows, 0.7)
    np.testing.assert_array_equal(clip_rows(np.asfortranarray(rows), 0.7), among)
    for c in range(300):
        np.testing.assert_array_equal(clip_rows(rows[c : c + 1].copy(), 0.7)[0], among[c])
