"""No bit of what numpy makes of a number depends on where it stands in an array: contributions rest on it.

Fast loops take several numbers at a time, and another path for the rest, for arrays that begin elsewhere in
memory or are not contiguous. Should a machine's paths differ in a last bit, this must be known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

LENGTHS = (*range(1, 71), 8_191, 8_193)
FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float, float]] = {
    "exp": (np.exp, -50.0, 50.0),
    "log": (np.log, 1e-300, 1e3),
    "log1p": (np.log1p, -0.9, 1e3),
    "expm1": (np.expm1, -5.0, 50.0),
    "sqrt": (np.sqrt, 0.0, 9.0),
    "logaddexp": (lambda x: np.logaddexp(x, 0.9), -50.0, 50.0),
    "power": (lambda x: np.asarray(0.97**x), 0.0, 300.0),
    "square": (lambda x: np.asarray(x**2), -9.0, 9.0),
    "fourth power": (lambda x: np.asarray(x**4), -9.0, 9.0),
    "polynomial": (lambda x: np.polyval([0.3, -0.8, 1.4, 0.1], x), -2.0, 2.0),
}


def placed(values: np.ndarray, offset: int) -> np.ndarray:
    """A contiguous copy that begins `offset` entries after the start of its memory."""
    memory = np.empty(values.size + offset, values.dtype)
    memory[offset:] = values.ravel()
    return memory[offset:].reshape(values.shape)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_give_the_same_bits_at_every_place(name: str) -> None:
    function, low, high = FUNCTIONS[name]
    r = np.random.default_rng(0)
    pool = r.uniform(low, high, 50)
    alone = np.array([function(np.array([value]))[0] for value in pool])
    for length in LENGTHS:
        chosen = r.integers(0, 50, length)
        for offset in range(4):
            np.testing.assert_array_equal(function(placed(pool[chosen], offset)), alone[chosen])
        np.testing.assert_array_equal(function(np.repeat(pool[chosen], 3)[::3]), alone[chosen])
        np.testing.assert_array_equal(
            function(pool[chosen, None] + np.zeros(2)), alone[chosen, None] + [0, 0]
        )


def _weighted(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("rk,kj->rj", rows, matrix))


REDUCTIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "products with a matrix": _weighted,
    "products with a vector": lambda rows, matrix: np.einsum("rk,k->r", rows, matrix[0]),
    "squares": lambda rows, _: np.einsum("nl,nl->n", rows, rows),
    "sums": lambda rows, _: rows.sum(axis=1),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_sums_over_a_row_give_the_same_bits_whatever_rows_are_beside_it(name: str, dtype: type) -> None:
    r = np.random.default_rng(0)
    for width in (1, 2, 3, 7, 8, 11, 12, 17, 50, 100):
        pool, matrix = r.normal(size=(60, width)).astype(dtype), r.normal(size=(width, width)).astype(dtype)
        alone = np.concatenate([REDUCTIONS[name](pool[c : c + 1].copy(), matrix) for c in range(60)])
        for n in (1, 2, 3, 5, 8, 31, 200):
            chosen = r.integers(0, 60, n)
            for offset in range(4):
                rows = placed(pool[chosen], offset)
                np.testing.assert_array_equal(REDUCTIONS[name](rows, matrix), alone[chosen])


def test_sums_over_segments_give_the_same_bits_whatever_segments_are_beside_them() -> None:
    r = np.random.default_rng(0)
    values = r.normal(size=(4_000, 12))
    starts = np.unique(np.append(r.integers(0, 4_000, 90), 0))
    among, ends = np.add.reduceat(values, starts, axis=0), np.append(starts[1:], 4_000)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        alone = np.add.reduceat(values[start:end].copy(), [0], axis=0)
        np.testing.assert_array_equal(alone[0], among[number])
