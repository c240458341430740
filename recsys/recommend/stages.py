"""The small pure stages of a recommendation: profile, blocked, candidates, scores, blend, order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.manifest import BlendSpec
from recsys.data.history import EventType, Histories, Ordering
from recsys.features.pairs import REMOVING, group_pairs
from recsys.features.sequences import Sequences
from recsys.models.own_history import baskets_bought, repeat_scores
from recsys.recommend.types import Query

PURCHASE = EventType.PURCHASE.code


@dataclass(frozen=True)
class Profile:
    """What the stages know of one customer; computed from that customer's own events alone.

    ids, weights:  int64 [L], float32 [L]; the encoded sequence, -1 where there is no item
    user:          float32 [d], the user vector; zeros where nothing may or can be known
    own_items, own_scores: int32 [o], float64 [o]; the customer's repeat items and their scores
    baskets:       in how many baskets the customer bought anything
    bought:        int32 [b], items of all purchase events, repetitions included
    removed:       int32 [r], items whose latest event is a return or a dismissal
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]
    user: NDArray[np.float32]
    own_items: NDArray[np.int32]
    own_scores: NDArray[np.float64]
    baskets: int
    bought: NDArray[np.int32]
    removed: NDArray[np.int32]

    @property
    def empty(self) -> bool:
        """Whether the customer's events say nothing about what to show."""
        return len(self.own_items) == 0 and not self.weights.any()


@dataclass(frozen=True)
class Scored:
    """Candidates with their numbers, aligned; items ascend and are distinct.

    items: int64 [c]; logits: float32 [c], log pi - max log pi + s; scores: float64 [c], blended
    """

    items: NDArray[np.int64]
    logits: NDArray[np.float32]
    scores: NDArray[np.float64]


def profiles(
    h: Histories, sequences: Sequences, users: NDArray[np.float32], own_decay: float | None
) -> Iterator[Profile]:
    """The profile of every customer.

    users: float32 [n, d]; own_decay: per basket, in (0, 1], or None to leave own scores out.
    """
    ordered = _ordered(h)
    own, baskets = repeat_scores(ordered, own_decay or 1.0), baskets_bought(ordered).tolist()
    bought, removed = h.events == PURCHASE, removing(h)
    for c, rows in enumerate(map(slice, h.offsets[:-1].tolist(), h.offsets[1:].tolist())):
        own_items, own_scores = own.of(c)
        items = h.items[rows]
        yield Profile(
            sequences.ids[c],
            sequences.weights[c],
            users[c],
            own_items if own_decay else own_items[:0],
            own_scores if own_decay else own_scores[:0],
            baskets[c],
            items[bought[rows]],
            items[removed[rows]] if removed is not None else items[:0],
        )


def removing(h: Histories) -> NDArray[np.bool_] | None:
    """Which events are a return or a dismissal and the latest of their customer and item; None if none is."""
    away: NDArray[np.bool_] = (h.events == REMOVING[0]) | (h.events == REMOVING[1])
    if not away.any():
        return None
    order, starts = group_pairs(h.rows, h.items)
    latest = np.zeros(len(order), bool)
    latest[order[np.append(starts[1:], len(order)) - 1]] = True
    away &= latest
    return away


def blocked(query: Query, profile: Profile) -> NDArray[np.int64]:
    """What must not appear: the excluded, removed, context items; the bought too if only new are wanted."""
    parts = [list(query.exclude), list(query.context_items), profile.removed]
    if query.new_only:
        parts.append(np.unique(profile.bought))
    return np.concatenate([np.asarray(part, np.int64) for part in parts])


def context_lifts(
    n_items: int, context: tuple[int, ...], neighbours: NDArray[np.int32], lifts: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """What each item gains from the scene's items: its strongest lift, at least 1; None without context."""
    if not context:
        return None
    gains = np.ones(n_items, np.float32)
    for item in context:
        near = neighbours[item]
        gains[near] = np.maximum(gains[near], lifts[item])  # padding is neighbour -1 with lift 0: no change
    return gains


def choose(
    n_items: int,
    groups: Sequence[NDArray[Any]],
    without: NDArray[np.int64],
    allowed: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """The distinct items of all groups, ascending, less those blocked or not allowed; int64 [c]."""
    chosen = np.zeros(n_items, bool)
    for group in groups:
        chosen[group] = True
    chosen[without] = False
    if allowed is not None:
        chosen &= allowed
    return chosen.nonzero()[0]


def logits(
    items: NDArray[np.int64],
    user: NDArray[np.float32],
    vectors: NDArray[np.float32],
    relative_popularity: NDArray[np.float32],
) -> NDArray[np.float32]:
    """log pi_j - max log pi + u . v_j; float32 [c]. Row by row: a value never depends on the other rows."""
    similarity = np.einsum("cd,d->c", vectors[items], user)
    return np.asarray(relative_popularity[items] + similarity, np.float32)


def blend(
    items: NDArray[np.int64],
    logit: NDArray[np.float32],
    relative_popularity: NDArray[np.float32],
    profile: Profile,
    spec: BlendSpec,
    gains: NDArray[np.float32] | None,
) -> Scored:
    """(own * exp(own_appeal * a) + weight * baskets**activity * exp(min(a, cap))) * gain of the scene.

    a is the logit; for own items `own_similarity` times its part beyond log popularity. Own scores add up
    over baskets, so the more baskets are known, the more the rest has to weigh to keep up; own items that
    everybody buys are the likelier to be bought again. relative_popularity: float32 [n_items]
    """
    weight = spec.weight * max(profile.baskets, 1) ** spec.activity
    position = np.searchsorted(items, profile.own_items)
    here = np.append(items, -1)[position] == profile.own_items
    own, own_scores = position[here], profile.own_scores[here]
    if spec.own_similarity != 1.0:
        known = relative_popularity[items[own]]
        logit = logit.copy()
        logit[own] = known + np.float32(spec.own_similarity) * (logit[own] - known)
    appeal = logit.astype(np.float64)
    scores = weight * np.exp(np.minimum(appeal, spec.cap))
    scores[own] += own_scores * np.exp(spec.own_appeal * appeal[own])
    if gains is not None:
        scores *= gains[items]
        logit = logit + np.log(gains[items])
    return Scored(items, logit, scores)


def best(scored: Scored, relative_popularity: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions in `scored` of the k best, best first.

    Where the cap makes scores equal, the uncapped logit decides; then popularity, then the item id.
    """
    keys = (-relative_popularity[scored.items], -scored.logits, -scored.scores)
    return np.lexsort(keys)[:k]


def _ordered(h: Histories) -> Histories:
    """Data without order counts as one basket, so that every own item scores the same."""
    if h.ordering is not Ordering.NONE:
        return h
    return replace(h, times=np.zeros_like(h.times), ordering=Ordering.ORDER_NUMBER)


def times_bought(h: Histories) -> Counter[int]:
    """In how many baskets of this one customer each item was."""
    rows = h.events == PURCHASE
    baskets = _ordered(h).baskets()[rows].tolist()
    return Counter(item for item, _ in set(zip(h.items[rows].tolist(), baskets, strict=True)))
