"""What customers start to buy some time after a category: what one customer sends for it, bounded in size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories, Ordering
from recsys.errors import OrderingError
from recsys.models.category_scope import CategoryScope
from recsys.privacy.clipping import WITHIN, on_grid

CLIP_NORM = 1.0
EDGES = np.array([0, 14, 30, 60, 90, 180, 365])
"""Lags in days: bin k holds those above EDGES[k] and up to EDGES[k + 1]. Public."""
BINS = len(EDGES) - 1
EXPOSURE = 0.5
"""How much having been observed counts beside a follow-up: it needs less precision."""
CUSTOMERS_AT_ONCE = 1_000
PAIRS_AT_ONCE = 10_000_000  # of categories: how much memory is used must not depend on what was bought
_SPAN = np.int64(1 << 26)  # more days than there are between any two that can be written down


def shape(scope: CategoryScope) -> tuple[int, int, int]:
    """Of the released sum: first category, second category, bin of the lag; public."""
    return len(scope.names), len(scope.names), BINS


def contribution(
    h: Histories, scope: CategoryScope, *, end: int | None = None, full_cells: float = 4.0
) -> NDArray[np.float64]:
    """Sum over customers of what each one's purchases say of follow-ups; float64 [m, m, BINS].

    Let a be the day of a customer's first purchase of category A, who was there for w days before a and after
    it, and (l, u] a bin with u <= w: it was observed, and counts `EXPOSURE` in cell (A, A, bin). Then cell
    (A, B, bin) counts +1 if B is bought l to u days after a, neither before that nor in the w days up to a;
    and -1 in the mirrored case: B was bought l to u days before a, neither after that nor in the w days from
    a on. Where A has nothing to do with B the two are equally likely, however popular B is and however often
    it is bought, so no baseline has to be subtracted or released (compare the sequence symmetry analysis of
    Hallas 1996). What is bought all the time counts neither way.

    A customer is there from the day after the own first purchase on (on that day something was bought for
    certain, which would be no mirror of what comes after) and up to `end` (a public day, exclusive: the data
    are complete before it), or up to the day before the own last purchase where that is None.

    full_cells: a customer counts in full up to so many cells (the square of the norm); more are scaled down

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are.
    It is a raw sum: it may leave the silo only through a noised and charged release.
    Raises OrderingError unless the data has timestamps.
    """
    if h.ordering is not Ordering.TIMESTAMP:
        raise OrderingError(
            f"follow-ups need timestamps, and this data is ordered by '{h.ordering}'; "
            "add a 'timestamp' column, or leave them out"
        )
    total = np.zeros(int(np.prod(shape(scope))))
    bought = h.purchases()
    if end is not None:
        bought = bought.where(bought.baskets() < end)
    for cells in _cells(bought, scope, end):
        squares = np.bincount(cells.rows, cells.values**2, CUSTOMERS_AT_ONCE)
        scale = WITHIN * CLIP_NORM / np.sqrt(np.maximum(squares, full_cells))
        total += np.bincount(cells.places, on_grid(cells.values * scale[cells.rows]), len(total))
    return total.reshape(shape(scope))


class _Cells(NamedTuple):
    """Some customers' values before scaling: whose, where in the released vector, how much."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    values: NDArray[np.float64]


class _Bought(NamedTuple):
    """On which days some customers bought which category; days from the customer's first purchase on.

    keys: int64, (row, category) x _SPAN + day, ascending, each once; groups: int64 [g], (row, category)
    firsts: int64 [g], the first day of each; room: int64 [g], days observed before and after it
    """

    keys: NDArray[np.int64]
    groups: NDArray[np.int64]
    firsts: NDArray[np.int64]
    room: NDArray[np.int64]


def _cells(bought: Histories, scope: CategoryScope, end: int | None) -> Iterator[_Cells]:
    m = np.int64(len(scope.names))
    step = _at_once(len(scope.names))
    for start in range(0, len(bought), step):
        few = bought.select(np.arange(start, min(start + step, len(bought))))
        days = _days(few, scope, end)
        parts = zip(_exposures(days, m), _follow_ups(days, m), strict=True)
        yield _Cells(*(np.concatenate(part) for part in parts))


def _at_once(m: int) -> int:
    """How many customers are looked at together: every pair of m categories may be one's."""
    return max(1, min(CUSTOMERS_AT_ONCE, PAIRS_AT_ONCE // max(m * m, 1)))


def _days(bought: Histories, scope: CategoryScope, end: int | None) -> _Bought:
    rows, days = bought.rows, bought.baskets()
    first = np.zeros(len(bought), np.int64)
    last = np.zeros(len(bought), np.int64)
    there = np.flatnonzero(np.diff(bought.offsets))
    first[there], last[there] = days[bought.offsets[there]], days[bought.offsets[there + 1] - 1]
    category = scope.position[bought.items]
    counted = category >= 0
    day = np.clip(days - first[rows], 0, _SPAN - 1)
    keys = np.unique(((rows * np.int64(len(scope.names)) + category) * _SPAN + day)[counted])
    groups, starts = np.unique(keys // _SPAN, return_index=True)
    firsts = keys[starts] % _SPAN
    latest = (last - 1 if end is None else np.int64(end - 1)) - first
    owner = groups // np.int64(max(len(scope.names), 1))
    return _Bought(keys, groups, firsts, np.minimum(firsts - 1, latest[owner] - firsts))


def _exposures(days: _Bought, m: np.int64) -> _Cells:
    """Every bin that a customer's first purchase of a category was observed for."""
    group, bins = np.nonzero(days.room[:, None] >= EDGES[1:])
    rows, first = np.divmod(days.groups[group], m)
    return _Cells(rows, (first * m + first) * BINS + bins, np.full(len(rows), EXPOSURE))


def _follow_ups(days: _Bought, m: np.int64) -> _Cells:
    """Every category that was taken up, or given up, in a bin after, or before, another one's first day."""
    anchors = np.flatnonzero(days.room >= EDGES[1])
    owner = days.groups // m
    begins, ends = owner.searchsorted(owner[anchors]), owner.searchsorted(owner[anchors], side="right")
    counts = ends - begins
    anchor = np.repeat(anchors, counts)
    others = np.arange(len(anchor)) - np.repeat(counts.cumsum() - counts - begins, counts)
    other = anchor != others
    anchor, others = anchor[other], others[other]
    after, before = _nearest(days.keys, days.groups[others] * _SPAN, days.firsts[anchor])
    bins = EDGES.searchsorted(np.minimum(after, before)) - 1
    room = days.room[anchor]
    observed = room >= np.append(EDGES[1:], _SPAN)[bins]
    found = (bins >= 0) & observed & (np.maximum(after, before) > room)
    rows, first = np.divmod(days.groups[anchor[found]], m)
    second = days.groups[others[found]] % m
    values = np.where(after < before, 1.0, -1.0)[found]
    return _Cells(rows, (first * m + second) * BINS + bins[found], values)


def _nearest(
    keys: NDArray[np.int64], groups: NDArray[np.int64], days: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Days from each day on to the group's next, and back to its latest (0: that day); _SPAN for none.

    groups: the groups' keys of day 0
    """
    wanted = groups + days
    place = keys.searchsorted(wanted, side="right")
    following, latest = keys[np.minimum(place, len(keys) - 1)], keys[np.maximum(place - 1, 0)]
    is_there = (place < len(keys)) & (following - groups < _SPAN)
    was_there = (place > 0) & (latest >= groups)
    return np.where(is_there, following - wanted, _SPAN), np.where(was_there, wanted - latest, _SPAN)
