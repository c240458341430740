"""Bounds on one customer's contribution, whatever the records hold.

Guarantee: after clipping each customer's vector has an L2 norm of at most `clip_norm`, in exact arithmetic
over the stored float32 or float64 values, and depends on no other customer. Non-finite contributions become
zero first: one NaN would otherwise poison the sum and show its owner.

Sums are exact too where entries are `on_grid`: float64 adds up two million such vectors without rounding, in
whatever order, so that a customer moves a sum by the own vector and not by how those of others are rounded.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from recsys.errors import PlanError
from recsys.privacy import checks

# Clipped vectors end this little below the bound, so that rounding to float32 cannot lift them above it.
MARGIN = 1 - 2.0**-20
# The same for vectors that are scaled to the bound in float64. The square of a norm is a sum, which rounding
# can make too small by 2^-53 for each term: this holds for customers of up to 2^23 different entries.
WITHIN = 1 - 2.0**-30
# Entries on the grid are multiples of the bound's power of two over 2^32; float64 holds 2^21 times the bound.
GRID_BITS = 32

Vectors = NDArray[np.float32] | NDArray[np.float64]


def on_grid(values: NDArray[np.float64], clip_norm: float = 1.0) -> NDArray[np.float64]:
    """Clipped values cut towards zero to a binary grid: never larger, and sums of them are exact.

    The grid is 2^-32 of the power of two at or below `clip_norm`, far below any noise.
    """
    step = 2.0 ** (math.floor(math.log2(clip_norm)) - GRID_BITS)
    return np.asarray(np.trunc(values / step) * step)


def clip_rows(rows: Vectors, clip_norm: float) -> NDArray[np.float64]:
    """Rows [customers, ...]: a non-finite row becomes zero, then each L2 norm is at most `clip_norm`."""
    bound = checks.positive("clip_norm", clip_norm)
    # In rows, whatever the order was: down columns the terms of a norm add up otherwise for one row alone.
    flat = np.array(rows, dtype=np.float64, order="C").reshape(len(rows), math.prod(rows.shape[1:]))
    flat[~np.isfinite(flat).all(axis=1)] = 0.0
    # Scaled by its largest entry first, so that squares of 1e200 do not overflow.
    top = np.abs(flat).max(axis=1, initial=0.0)
    divisor = np.where(top > 0, top, 1.0)
    norms = np.sqrt(np.square(flat / divisor[:, None]).sum(axis=1))
    flat *= _shrink(norms, divisor, bound)[:, None]
    return flat.reshape(rows.shape)


def clip_segments(values: Vectors, offsets: NDArray[np.integer], clip_norm: float) -> NDArray[np.float64]:
    """Compressed rows: customer c's entries are values[offsets[c]:offsets[c + 1]], clipped as in `clip_rows`.

    The columns of one customer's entries must be distinct; `segment_sum` sees to that.
    """
    bound = checks.positive("clip_norm", clip_norm)
    flat = np.array(values, dtype=np.float64)
    lengths = np.diff(offsets)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    bad = np.zeros(len(lengths), dtype=bool)
    bad[owner[~np.isfinite(flat)]] = True
    flat[bad[owner]] = 0.0
    top = np.zeros(len(lengths))
    np.maximum.at(top, owner, np.abs(flat))
    divisor = np.where(top > 0, top, 1.0)
    squares = np.bincount(owner, weights=np.square(flat / divisor[owner]), minlength=len(lengths))
    flat *= _shrink(np.sqrt(squares), divisor, bound)[owner]
    return flat


def segment_sum(
    columns: NDArray[np.integer],
    values: Vectors,
    offsets: NDArray[np.integer],
    size: int,
    clip_norm: float,
) -> NDArray[np.float64]:
    """The sum [size] of customers' clipped sparse vectors; a column named twice by one is added up first."""
    if len(columns) and not (columns.min() >= 0 and columns.max() < size):
        raise PlanError(f"a column is outside 0 to {size - 1}; give positions in the public catalogue")
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    keys, place = np.unique(owner * size + columns, return_inverse=True)
    if len(keys) < len(columns):
        values = np.bincount(place, weights=values, minlength=len(keys)).astype(np.float64)
        columns, owner = keys % size, keys // size
        offsets = np.searchsorted(owner, np.arange(len(offsets)))
    clipped = on_grid(clip_segments(values, offsets, clip_norm), clip_norm)
    return np.bincount(columns, weights=clipped, minlength=size).astype(np.float64)


def _shrink(norms: NDArray[np.float64], divisor: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
    """The factor that brings norms * divisor to at most the bound, without overflow."""
    with np.errstate(over="ignore"):
        limit = bound * MARGIN / divisor
    return np.where(norms > limit, limit / np.where(norms > 0, norms, 1.0), 1.0)
