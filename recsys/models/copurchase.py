"""Which items the same customers buy: what one customer sends for it, bounded in size and in number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.errors import ConfigError
from recsys.features.pairs import ItemSets, recent_items
from recsys.models.pair_norms import Parts, fitting
from recsys.models.pair_sums import OTHERS_BITS, TIMES_BITS, Usual, exact_sum, pair_sums

CLIP_NORM = 1.0
SMALLEST_SCALE = 0.01
CENTRING = 0.4
HALVINGS = 100
_NOTHING = 1e-5  # of a customer's squared size: pairs that weigh less than rounding allows send nothing


@dataclass(frozen=True)
class PairScope:
    """Which pairs are counted, and how strongly. Public: made of published popularity alone.

    items: int32 [m], catalogue positions, most popular first
    share: float64 [m], their published popularity, adding up to 1
    scale: float64 [m], 0.01 to 1; a pair's value is proportional to scale_i x scale_j, so that rare items
        leave most of a customer's bounded contribution to frequent ones
    reach: int64 [m]; item i is counted with those from i + 1 to reach_i - 1, non-increasing
    n_items: size of the catalogue
    """

    items: NDArray[np.int32]
    share: NDArray[np.float64]
    scale: NDArray[np.float64]
    reach: NDArray[np.int64]
    n_items: int

    @classmethod
    def from_popularity(
        cls,
        popularity: NDArray[np.float64],
        top: int = 2_000,
        full_rank: int = 500,
        max_pairs: int = 2_000_000,
    ) -> PairScope:
        """The `top` most popular items; scale min(1, p_i / p of rank `full_rank`); at most `max_pairs` pairs.

        Pairs expected least, by share_i scale_i share_j scale_j, are left out: noise would hide them.
        popularity: published probabilities [n_items]. Ties go to the lower position.
        """
        if top < 2 or full_rank < 1 or max_pairs < 1:
            raise ConfigError(
                f"top is {top}, full_rank {full_rank} and max_pairs {max_pairs}; "
                "give at least 2 items, rank 1 and 1 pair"
            )
        items = np.argsort(-popularity, kind="stable")[:top].astype(np.int32)
        chosen = popularity[items]
        scale = chosen / chosen[min(full_rank, len(items)) - 1] if len(items) else chosen
        scale = np.clip(scale, SMALLEST_SCALE, 1.0)
        share = chosen / max(float(chosen.sum()), np.finfo(np.float64).tiny)
        return cls(items, share, scale, _reach(share * scale, max_pairs), len(popularity))

    @cached_property
    def widths(self) -> NDArray[np.int64]:
        """How many pairs each item is the first of; int64 [m]."""
        return np.asarray(np.maximum(self.reach - np.arange(len(self.items)) - 1, 0))

    @property
    def n_pairs(self) -> int:
        """Length of the released vector: the upper triangle row by row, as far as each item reaches."""
        return int(self.widths.sum())

    def pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Positions in the scope of both items of every pair, lower first; int32 [n_pairs] each."""
        widths = self.widths
        first = np.repeat(np.arange(len(widths), dtype=np.int32), widths)
        begins = widths.cumsum() - widths
        second = np.arange(len(first)) - np.repeat(begins, widths) + first + 1
        return first, second.astype(np.int32)

    def square(self, pairs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The symmetric matrix [m, m] of pair values [n_pairs], 0 where nothing is counted."""
        matrix = np.zeros((len(self.items), len(self.items)))
        first, second = self.pairs()
        matrix[first, second] = pairs
        matrix[second, first] = pairs
        return matrix


def _reach(expected: NDArray[np.float64], max_pairs: int) -> NDArray[np.int64]:
    """How far each item's row goes if the `max_pairs` largest products expected_i expected_j are kept.

    expected: float64 [m], non-increasing. Only products and comparisons of published numbers, so that every
    silo finds the same.
    """
    m = len(expected)
    if m * (m - 1) // 2 <= max_pairs:
        return np.full(m, m, np.int64)
    position = np.arange(m)

    def reach(threshold: float) -> NDArray[np.int64]:
        least = threshold / np.maximum(expected, np.finfo(np.float64).tiny)
        return np.asarray(np.searchsorted(-expected, -least, side="right"))

    low, high = 0.0, 2.0 * float(expected[0]) ** 2
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high) if low > 0.0 else high * 1e-4
        fits = np.maximum(reach(middle) - position - 1, 0).sum() <= max_pairs
        low, high = (low, middle) if fits else (middle, high)
    found = reach(high)
    if found[0] > 1:
        return found
    several = int((1.0 + np.sqrt(1.0 + 8.0 * max_pairs)) / 2.0)  # all are alike: the pairs of the first items
    return np.where(position < several, several, 0)


def contribution(h: Histories, scope: PairScope, max_items: int) -> NDArray[np.float64]:
    """Sum over customers of their bounded pair values over the scope's pairs; float64 [n_pairs].

    A customer's set is the `max_items` latest distinct purchased items within the scope, k of them. With c
    `CENTRING`, has_i 1 for items in the set, and p the share of popularity, the value of a pair is
    a scale_i scale_j (has_i has_j - c (k - 1) (has_i p_j + p_i has_j) + c^2 k (k - 1) p_i p_j):
    by chance (1 - c)^2 of what has_i has_j would be. So less of the bound goes to what popularity says
    anyway, and what is left still shows how many pairs there are. a is such that the values of all pairs of
    the scope have norm `CLIP_NORM`. Sets of fewer than two items send nothing.

    Guarantee: unit one customer with all events, relation add or remove one: adding or removing a customer
    changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the events are
    and whatever the published numbers are. The customer's three parts, and the published numbers that they
    are multiplied with, lie on grids (`recsys.models.pair_sums`) on which sums of 2^21 customers are exact; a
    is such that what is left on the grids has the norm (`recsys.models.pair_norms`).
    It is a raw sum: it may leave the silo only through a noised and charged release.
    """
    position = np.full(scope.n_items, -1, np.int32)
    position[scope.items] = np.arange(len(scope.items), dtype=np.int32)
    sets = recent_items(h.where(position[h.items] >= 0), max_items)
    local, usual = position[sets.items], Usual.of(scope.share, scope.scale)
    parts = _parts(sets, local, scope, usual)
    weight = fitting(sets.rows, scope.scale[local], usual.values[local], parts, usual)
    pairs = pair_sums(sets, local, weight, scope.scale, scope.reach, scope.widths)
    sends = weight > 0.0
    others = parts.others * sends[sets.rows] * 2.0**OTHERS_BITS
    asked = np.bincount(local, others, len(scope.items)).astype(np.float64)
    times = float((parts.times[sends] * 2.0**TIMES_BITS).sum())
    return exact_sum(pairs, asked, times, usual, scope.pairs())


def _parts(sets: ItemSets, local: NDArray[np.int32], scope: PairScope, usual: Usual) -> Parts:
    """What customers' pairs are centred by, on its grids: as a is before anything is cut."""
    k, weight = sets.lengths.astype(np.float64), _weights(sets, local, scope, usual)
    # Room for the grids: where centring is nearly all there is, nothing else would bring it below the bound.
    weight *= np.maximum(1.0 - usual.room(k, CENTRING**2 * k * (k - 1.0) * weight), 0.0)
    taken = CENTRING * weight * (k - 1.0)
    others = np.rint(taken[sets.rows] * scope.scale[local] * 2.0**OTHERS_BITS)
    times = np.rint(CENTRING * taken * k * 2.0**TIMES_BITS)
    return Parts(weight > 0.0, k, others * 2.0**-OTHERS_BITS, times * 2.0**-TIMES_BITS)


def _weights(
    sets: ItemSets, local: NDArray[np.int32], scope: PairScope, public: Usual
) -> NDArray[np.float64]:
    """The factor a of every customer, 0 for those who send nothing; float64 [n].

    A customer's values are z z' + g u u' with u = scale x share, z = scale x has - c (k - 1) u and
    g = c^2 (k - 1), whose norm over the upper triangle follows from sums of powers.
    """
    rows, k = sets.rows, sets.lengths.astype(np.float64)
    usual, taken = public.values, CENTRING * np.maximum(k - 1.0, 0.0)
    own = usual[local]
    away = -taken[rows] * own  # what z would be without the item
    present = scope.scale[local] + away

    def over_items(of_others: float, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(of_others + np.bincount(rows, values, len(sets)))

    second, fourth = (usual**2).sum(), (usual**4).sum()
    square = over_items(0.0, present**2 - away**2) + taken**2 * second
    quartic = over_items(0.0, present**4 - away**4) + taken**4 * fourth
    along = over_items(0.0, (present - away) * own) - taken * second
    both = over_items(0.0, (present**2 - away**2) * own**2) + taken**2 * fourth
    g = CENTRING * taken
    norm2 = (square**2 - quartic) / 2.0 + g * (along**2 - both) + g**2 * (second**2 - fourth) / 2.0
    sends = (k >= 2) & (norm2 > _NOTHING * (square + g * second) ** 2)
    return np.where(sends, CLIP_NORM / np.sqrt(np.where(sends, norm2, 1.0)), 0.0)
