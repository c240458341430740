"""Exact sums of co-purchase values: each part of what a customer sends lies on a binary grid of its own.

What is published is multiplied with sums over customers, and both are cut so that every product is a whole
number of the released sum's steps. Added up as 64-bit integers, which is exact in any order. What comes
between may even overflow: only the end must be in range, and it is, as norms are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.features.pairs import ItemSets

SUM_BITS = 32  # steps of the released sum are 2^-32, as everywhere: float64 holds 2^21 customers
PAIR_BITS = 30  # of a scale_i scale_j, for pairs that a customer has; up to MOST_PAIR each
OTHERS_BITS, USUAL_BITS = (
    12,
    20,
)  # of what an item is expected with, and of the published numbers it goes with
TIMES_BITS, CHANCE_BITS = 5, 27  # of how many pairs are expected in all, and of the chance of each
MOST_PAIR, MOST_OTHERS = 4.0, 2.0**20  # such parts of 2^21 customers are still exact in float64
CELLS_AT_ONCE = 4_000_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Usual:
    """What popularity says of a scope's items, on grids. Public.

    steps: int64 [m], share x scale in steps of 2^-USUAL_BITS
    """

    steps: Ints

    @classmethod
    def of(cls, share: Floats, scale: Floats) -> Usual:
        """share, scale: float64 [m], each at most 1."""
        return cls(np.rint(share * scale * 2.0**USUAL_BITS).astype(np.int64))

    @property
    def values(self) -> Floats:
        """u, float64 [m]: what customers' values are centred by, exactly."""
        return np.asarray(self.steps * 2.0**-USUAL_BITS)

    def chances(self, first: NDArray[np.int32], second: NDArray[np.int32]) -> Ints:
        """u_first u_second, in steps of 2^-CHANCE_BITS, rounded to the nearest."""
        shift = 2 * USUAL_BITS - CHANCE_BITS
        return np.asarray((self.steps[first] * self.steps[second] + (1 << (shift - 1))) >> shift)

    def rounded(self, k: Floats, times: Floats) -> Floats:
        """By how much what is cut last may lengthen the vector of a customer with k items; float64 [n].

        times: float64 [n], the factor of u u'. At most k^2 / 2 pairs are cut by less than a step, and each
        entry of u u' is off by half a step.
        """
        m = len(self.steps)
        off = 2.0 ** -(CHANCE_BITS + 1) * np.sqrt(m * (m - 1) / 2.0)
        return np.asarray(k * 2.0**-PAIR_BITS + times * off)

    def room(self, k: Floats, times: Floats) -> Floats:
        """By how much grids may lengthen it in all, and a little more; float64 [n].

        The k numbers that go with u, and the factor of u u', are off by half a step each.
        """
        square = float((self.values**2).sum())
        others = np.sqrt(2.0 * k * square) * 2.0 ** -(OTHERS_BITS + 1)
        return np.asarray(
            others + square * 2.0 ** -(TIMES_BITS + 1) + 2.0 * self.rounded(k, times) + 2.0**-20
        )


def exact_sum(
    pairs: Floats,
    others: Floats,
    times: float,
    usual: Usual,
    places: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> Floats:
    """pairs - (others u' + u others') + times u u' at the scope's pairs; float64 [n_pairs], without rounding.

    pairs: float64 [n_pairs], others: float64 [m], times: sums over customers in whole steps of their grids;
    places: positions in the scope of both items of every pair
    """
    first, second = places
    asked = others.astype(np.int64)
    total = pairs.astype(np.int64) << (SUM_BITS - PAIR_BITS)
    total -= asked[first] * usual.steps[second]
    total -= asked[second] * usual.steps[first]
    total += np.int64(times) * usual.chances(first, second)
    return np.asarray(total * 2.0**-SUM_BITS)


def pair_sums(
    sets: ItemSets, local: NDArray[np.int32], weight: Floats, scale: Floats, reach: Ints, widths: Ints
) -> Floats:
    """Sum over customers of a_c scale_i scale_j for the pairs that each one has, in steps; float64 [n_pairs].

    local: int32 [total], positions in the scope of the items of `sets`; weight: float64 [n], a_c
    Memory is bounded by `CELLS_AT_ONCE` and a row of a customer's items, whatever and however many they are.
    """
    lengths = sets.lengths
    total = np.zeros(int(widths.sum()))
    steps = weight * 2.0**PAIR_BITS
    by_size = np.argsort(lengths, kind="stable")
    by_size = by_size[weight[by_size] > 0.0]
    start = np.append(widths.cumsum() - widths, 0) - np.arange(len(widths) + 1) - 1
    reach, scale = np.append(reach, 0), np.append(scale, 0.0)
    while len(by_size):
        rows = max(1, CELLS_AT_ONCE // int(lengths[by_size[-1]]) ** 2)
        chunk, by_size = by_size[-rows:], by_size[:-rows]
        items = _padded(sets.offsets, local, chunk, len(widths))
        shares = scale[items]
        weighted = shares * steps[chunk][:, None]
        for low, high in _places(items.shape[1], CELLS_AT_ONCE // rows):
            first, second = items[:, low], items[:, high]
            counted = second < reach[first]
            values = np.trunc((weighted[:, low] * shares[:, high])[counted])
            total += np.bincount((start[first] + second)[counted], values, len(total))
    return total


def _padded(offsets: Ints, items: NDArray[np.int32], customers: Ints, padding: int) -> Ints:
    """The customers' items as rows of equal length, ascending, padding last."""
    width = int((offsets[customers + 1] - offsets[customers]).max())
    index = offsets[customers][:, None] + np.arange(width)
    inside = index < offsets[customers + 1][:, None]
    rows = np.where(inside, items[np.minimum(index, len(items) - 1)], padding)
    rows.sort(axis=1)
    return rows.astype(np.int64)


def _places(width: int, at_once: int) -> Iterator[tuple[Ints, Ints]]:
    """Lower and higher place of every pair in a row, a part of them at a time."""
    step = max(1, at_once // width)
    for begin in range(0, width - 1, step):
        lows = np.arange(begin, min(begin + step, width - 1))
        counts = width - 1 - lows
        low = np.repeat(lows, counts)
        yield low, np.arange(len(low)) - np.repeat(counts.cumsum() - counts, counts) + low + 1
