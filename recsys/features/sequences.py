"""A customer's history as a bounded, weighted set of items: the same function in training and in serving."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import EventType, Histories, Ordering
from recsys.errors import ConfigError
from recsys.features.pairs import REMOVING, group_pairs

PADDING = -1


@dataclass(frozen=True)
class SequenceConfig:
    """How a history becomes a sequence. All public constants; part of the bundle.

    max_items: distinct items kept (the most recent ones)
    decay: weight lost per basket, in (0, 1]
    view, cart, purchase, rating: weight of one such event; returns and dismissals remove an item instead
    needs_order: False accepts data without order (then decay must be 1)
    """

    max_items: int = 50
    decay: float = 0.9
    view: float = 0.3
    cart: float = 0.6
    purchase: float = 1.0
    rating: float = 0.5
    needs_order: bool = True
    event_weights: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    event_counts: NDArray[np.bool_] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_items < 1:
            raise ConfigError(f"max_items is {self.max_items}; it must be at least 1")
        if not 0.0 < self.decay <= 1.0:
            raise ConfigError(f"decay is {self.decay}; it must be above 0 and at most 1")
        if not self.needs_order and self.decay != 1.0:
            raise ConfigError(f"decay is {self.decay} without order; set decay to 1 or needs_order to true")
        if not all(0.0 <= w < np.inf for w in (self.view, self.cart, self.purchase, self.rating)):
            raise ConfigError("an event weight is negative or not finite; give weights of 0 or more")
        weights = [getattr(self, event.value, 0.0) for event in EventType]
        counts = [w > 0.0 or code in REMOVING for code, w in enumerate(weights)]
        object.__setattr__(self, "event_weights", np.array(weights, np.float64))
        object.__setattr__(self, "event_counts", np.array(counts, np.bool_))


@dataclass(frozen=True)
class Sequences:
    """Bounded sequences of n customers, most recent item first.

    ids: int64 [n, L], -1 where there is no item
    weights: float32 [n, L], L2 norm 1 per customer (all 0 for an empty history)
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


def encode(h: Histories, config: SequenceConfig) -> Sequences:
    """Every customer's most recent distinct items with weight (event weight) x decay**(baskets ago).

    An item counts with its strongest event and stands where it was last seen; an item whose latest event is a
    return or a dismissal is left out. Depends on the customer's own events only.
    Raises OrderingError for data without order, unless `config.needs_order` is False.
    """
    counts = config.event_counts[h.events]
    h = h if counts.all() else h.where(counts)
    rows = h.rows
    strength = config.event_weights[h.events]
    order, starts = group_pairs(rows, h.items)
    ids = np.full((len(h), config.max_items), PADDING, np.int64)
    weights = np.zeros(ids.shape, np.float64)
    if len(order):
        last = order[np.append(starts[1:], len(order)) - 1]
        best = np.full(len(order), -1.0)
        best[last] = np.maximum.reduceat((strength * _decay(h, rows, config))[order], starts)
        best[strength == 0.0] = -1.0  # removed by its latest event
        shown = (best >= 0.0).nonzero()[0]  # oldest first within a customer
        slot = shown.searchsorted(h.offsets[1:])[rows[shown]] - 1 - np.arange(len(shown))
        within = slot < config.max_items
        shown, slot = shown[within], slot[within]
        ids[rows[shown], slot] = h.items[shown]
        weights[rows[shown], slot] = best[shown]
    return Sequences(ids, _unit_rows(weights))


def _decay(h: Histories, rows: NDArray[np.int64], config: SequenceConfig) -> NDArray[np.float64]:
    """decay**(baskets ago) of every event; float64 [events]."""
    if h.ordering is Ordering.NONE and not config.needs_order:
        return np.ones(len(rows))
    return np.asarray(config.decay ** baskets_ago(h, rows).astype(np.float64))


def baskets_ago(h: Histories, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the customer's later baskets follow each event's basket; int64 [events].

    rows: the customer of every event (`h.rows`). Raises OrderingError for data without order.
    """
    baskets = h.baskets()
    if not len(rows):
        return np.zeros(0, np.int64)
    number = np.zeros(len(rows), np.int64)
    ((rows[1:] != rows[:-1]) | (baskets[1:] != baskets[:-1])).cumsum(out=number[1:])
    newest: NDArray[np.int64] = number[h.offsets[1:] - 1]  # of an empty customer: never looked up
    return newest[rows] - number


def _unit_rows(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    peak = weights.max(axis=1, keepdims=True)
    weights = weights / np.where(peak > 0.0, peak, 1.0)
    norm = np.sqrt(np.einsum("nl,nl->n", weights, weights))[:, None]
    unit: NDArray[np.float32] = (weights / np.maximum(norm, 1.0)).astype(np.float32)
    return unit
