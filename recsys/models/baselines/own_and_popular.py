"""Own frequency and global popularity, exactly and sparsely: fast enough for millions of customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.errors import ConfigError
from recsys.features.pairs import recent_items
from recsys.models.own_history import OwnScores, repeat_scores

NO_ITEM = -1


@dataclass(frozen=True)
class OwnAndPopular:
    """Ranks by own_weight x own decayed frequency + popular_weight x popularity scaled to a maximum of 1.

    Ties go to the more popular item, then to the lower item position.
    """

    popularity: NDArray[np.float64]
    k: int = 20
    decay: float = 0.9
    own_weight: float = 1.0
    popular_weight: float = 2.0

    def __call__(self, histories: Histories, owned_excluded: bool) -> NDArray[np.int32]:
        """The k best items of every customer; int32 [n, k], -1 where there are no more."""
        own = self._own(histories)
        base = self.popular_weight * self.popularity / self.popularity.max()
        return rank_sparse(own, base, self.k, owned_excluded)

    def _own(self, h: Histories) -> OwnScores:
        if self.own_weight == 0.0:
            sets = recent_items(h, max(len(h.items), 1))
            return OwnScores(sets.offsets, sets.items, np.zeros(len(sets.items)))
        own = repeat_scores(h, self.decay)
        return OwnScores(own.offsets, own.items, self.own_weight * own.scores)


def popularity_ranker(popularity: NDArray[np.float64], k: int = 20) -> OwnAndPopular:
    """The same most popular items for everybody."""
    return OwnAndPopular(popularity, k, own_weight=0.0, popular_weight=1.0)


def personal_ranker(popularity: NDArray[np.float64], k: int = 20) -> OwnAndPopular:
    """The customer's own most frequent items, filled up with popular ones (Li et al. 2023: GP-TopFreq)."""
    return OwnAndPopular(popularity, k, decay=1.0, own_weight=1.0, popular_weight=0.5)


def rank_sparse(own: OwnScores, base: NDArray[np.float64], k: int, owned_excluded: bool) -> NDArray[np.int32]:
    """Exact top k of base[item] + own score, sorting only items that can be among them; int32 [n, k].

    base: float64 [n_items], one score of every item for everybody; own: what a customer adds, 0 or more.
    """
    if k < 1:
        raise ConfigError(f"k is {k}; rank at least 1 item")
    order = np.argsort(-base, kind="stable")
    place = np.empty(len(base), np.int64)
    place[order] = np.arange(len(base))
    rows, places, scores = _candidates(own, place, base, k, owned_excluded)
    best = np.lexsort((places, -scores, rows))
    rows, places = rows[best], places[best]
    slot = np.arange(len(rows)) - rows.searchsorted(rows)
    ranked = np.full((len(own), k), NO_ITEM, np.int32)
    ranked[rows[slot < k], slot[slot < k]] = order[places[slot < k]]
    return ranked


def _candidates(
    own: OwnScores, place: NDArray[np.int64], base: NDArray[np.float64], k: int, owned_excluded: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Own items, and as many of the best others that k are left when own ones are taken out."""
    n_items, customers = len(base), np.arange(len(own))
    counts = np.diff(own.offsets)
    own_rows, own_places = np.repeat(customers, counts), place[own.items]
    reach = np.minimum(counts + k, n_items)
    starts = reach.cumsum() - reach
    rows = np.repeat(customers, reach)
    places = np.arange(len(rows)) - np.repeat(starts, reach)
    near = own_places < reach[own_rows]
    fresh = np.ones(len(rows), bool)
    fresh[starts[own_rows[near]] + own_places[near]] = False
    rows, places, scores = rows[fresh], places[fresh], np.sort(base)[::-1][places[fresh]]
    if owned_excluded:
        return rows, places, scores
    return (
        np.concatenate((own_rows, rows)),
        np.concatenate((own_places, places)),
        np.concatenate((own.scores + base[own.items], scores)),
    )
