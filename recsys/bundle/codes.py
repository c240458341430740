"""Item vectors in four bits a column: what the FAISS index holds, and the levels that the codes stand for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LEVELS = 16
"""Values that a code of four bits tells apart."""
STEPS = 8
"""Columns of log popularity. It has the weight 1 and spans the most: eight short rulers, of which only one is
between full and empty, tell apart 120 values, and no column of them weighs more than a taste does."""
LLOYD_ROUNDS = 12
ROWS = 2_048
"""Rows decoded at once: 2,048 x 700 columns of float32 are 6 MB."""


def levels(vectors: NDArray[np.float32], log_popularity: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values of every column's codes, ascending; float32 [d + 8, 16].

    A column with at most 16 values, such as an indicator, is held exactly. The others' levels are found like
    Lloyd's (1982), but each halfway between the mean of its values, which keeps the squared error small, and
    the middle of them, which keeps the greatest error small: rare large values must not be lost.
    vectors: float32 [n, d]; log_popularity: float32 [n]
    """
    found = [_column_levels(np.sort(column)) for column in vectors.T]
    ruler = (_span(log_popularity)[1] * np.arange(LEVELS) / (LEVELS - 1)).astype(np.float32)
    return np.array(found + [ruler] * STEPS, np.float32)


def decoded(
    vectors: NDArray[np.float32], log_popularity: NDArray[np.float32], table: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """The rows with every value replaced by its column's nearest level; float32 [<= 2,048, d + 8] each."""
    borders = (table[:, 1:] + table[:, :-1]) / np.float32(2.0)
    low, step = _span(log_popularity)
    for start in range(0, len(vectors), ROWS):
        part = slice(start, start + ROWS)
        above = log_popularity[part, None] - low - step * np.arange(STEPS, dtype=np.float32)
        rows = np.hstack([vectors[part], np.clip(above, np.float32(0.0), step)])
        for column, (values, limits) in enumerate(zip(table, borders, strict=True)):
            rows[:, column] = values[limits.searchsorted(rows[:, column])]
        yield rows


def question(query: NDArray[np.float32]) -> NDArray[np.float32]:
    """[u ; weight of log pi] for these rows, whose scores lack a constant; float32 [1, d + 8]."""
    return np.append(query[:-1], np.full(STEPS, query[-1]))[None, :]


def _span(log_popularity: NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    """The least log popularity, and the length of one of the rulers that reach from it to the greatest."""
    low = log_popularity.min()
    return low, np.float32((log_popularity.max() - low) / np.float32(STEPS))


def _column_levels(ordered: NDArray[np.float32]) -> NDArray[np.float64]:
    """16 levels for a column's values, which ascend."""
    values = ordered.astype(np.float64)
    distinct = values[np.append(True, values[1:] != values[:-1])]
    if len(distinct) <= LEVELS:
        return np.pad(distinct, (0, LEVELS - len(distinct)), mode="edge")
    share = (np.arange(LEVELS) + 0.5) / LEVELS
    even = values[0] + share * (values[-1] - values[0])
    found: NDArray[np.float64] = (values[(share * len(values)).astype(np.int64)] + even) / 2.0
    sums = np.append(0.0, values.cumsum())
    for _ in range(LLOYD_ROUNDS):
        cuts = np.concatenate([[0], values.searchsorted((found[1:] + found[:-1]) / 2.0), [len(values)]])
        size = np.diff(cuts)
        middle = (values[np.minimum(cuts[:-1], len(values) - 1)] + values[cuts[1:] - 1]) / 2.0
        mean = np.diff(sums[cuts]) / np.maximum(size, 1)
        found = np.where(size > 0, (mean + middle) / 2.0, found)
    return found
