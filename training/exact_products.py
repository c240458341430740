"""Scores of many customers at once, of which no bit depends on who is beside whom.

A matrix product rounds a row by where it stands among others, and a server can choose vectors that make this
large: one customer's presence would then turn another's ranking. So all factors are whole numbers of steps,
few enough that float64 holds every sum of their products.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

WEIGHT_BITS, TABLE_BITS = 20, 24
MANTISSA = 53

Floats = NDArray[np.float32] | NDArray[np.float64]


def exact_products(
    ids: NDArray[np.int64], weights: NDArray[np.float32], table: Floats, vectors: Floats
) -> NDArray[np.float64]:
    """sum_l weights_l table[ids_l] . v for every vector v, rounded in no sum; float64 [n, n_items].

    ids: int64 [n, L], -1 for none; weights: float32 [n, L], each row of norm 1 at most, L at most 2^16
    table, vectors: [n_items, d], finite; cut to steps of 2^-24, and of 2^-17 and less for up to 4,096
        columns, of the power of two above their largest entry
    """
    # L weights of norm 1 add up to sqrt(L) at most; a further bit is for rounding.
    users = math.ceil(math.log2(max(ids.shape[1], 1)) / 2.0) + 1
    bits = (MANTISSA - users - 1 - math.ceil(math.log2(max(table.shape[1], 1)))) // 2
    rows, row_step = _steps(table, TABLE_BITS)
    columns, column_step = _steps(vectors, bits)
    held = np.rint(weights.astype(np.float64) * 2.0**WEIGHT_BITS)
    read = np.einsum("nl,nld->nd", held, rows[np.maximum(ids, 0)])
    coarser = 2.0 ** (bits - TABLE_BITS)
    read *= coarser * 2.0**-WEIGHT_BITS
    columns *= row_step / coarser * column_step  # a power of two: products stay as exact as they are
    return np.asarray(np.rint(read, out=read) @ columns.T)


def _steps(values: Floats, bits: int) -> tuple[NDArray[np.float64], float]:
    """Values as whole numbers of steps, at most 2^bits of them, and the step, a power of two. Public."""
    largest = float(np.abs(values).max(initial=0.0))
    step = 2.0 ** max(math.frexp(largest)[1] - bits, -1000)
    return np.rint(values.astype(np.float64) / step), step
