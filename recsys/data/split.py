"""Train and target histories for evaluation: the last basket, or the first one after a cut-off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import EventType, Histories, Ordering
from recsys.errors import ConfigError, OrderingError

FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Split:
    """What a recommender may see, and what it should have found; both have a row for every customer.

    train:     events before the target
    targets:   purchases of the target, one event per distinct item; empty for customers not evaluated
    customers: int64, increasing: positions in both of the customers to evaluate, each with targets
    """

    train: Histories
    targets: Histories
    customers: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EventSplit:
    """A split as marks on the events of some histories, for those who cut the same events in other ways too.

    train, target: bool [events]; target marks one event per distinct item, of evaluated customers alone
    customers: int64, increasing: positions of the customers to evaluate
    """

    train: NDArray[np.bool_]
    target: NDArray[np.bool_]
    customers: NDArray[np.int64]

    def of(self, histories: Histories) -> Split:
        """The split of the histories whose events are marked."""
        return Split(histories.where(self.train), histories.where(self.target), self.customers)


def last_basket_split(histories: Histories, *, min_baskets: int = 3) -> Split:
    """Hold out the last basket of every customer with at least `min_baskets` baskets of purchases.

    Of those customers train keeps only events of earlier baskets, so nothing on or after the target's day is
    seen; of the others it keeps everything. OrderingError without an order, ConfigError below 2 baskets.
    """
    if min_baskets < 2:
        raise ConfigError(
            f"min_baskets = {min_baskets}; a basket to learn from and one to find take at least 2"
        )
    return last_basket_events(histories, min_baskets=min_baskets).of(histories)


def last_basket_events(histories: Histories, *, min_baskets: int = 3) -> EventSplit:
    """`last_basket_split` as marks on events."""
    return _hold_out_last(histories, np.ones(len(histories), np.bool_), min_baskets)


def temporal_split(histories: Histories, cutoff: int) -> Split:
    """One cut-off for everybody: train is before `cutoff` (as in `Histories.times`), the target from it on.

    The target is a customer's first basket of purchases from the cut-off on. Evaluated are customers with
    purchases on both sides. OrderingError for data without order.
    """
    return temporal_events(histories, cutoff).of(histories)


def temporal_events(histories: Histories, cutoff: int) -> EventSplit:
    """`temporal_split` as marks on events."""
    if histories.ordering is Ordering.NONE:
        raise OrderingError("data without an order cannot be split in time; use data with timestamps")
    before = histories.times < cutoff
    bought, baskets, rows = _purchases(histories), histories.baskets(), histories.rows
    later = bought & ~before
    customers = np.flatnonzero(_any(histories, bought & before) & _any(histories, later))
    first = np.full(len(histories), LAST)
    np.minimum.at(first, rows[later], baskets[later])
    return _marked(histories, before, later & (baskets == first[rows]), customers.astype(np.int64))


def validation_split(split: Split) -> Split:
    """From the training side alone: hold out the basket before the target of every evaluated customer.

    Customers with fewer than two baskets left are not evaluated; the targets of `split` are not looked at.
    """
    candidates = np.zeros(len(split.train), np.bool_)
    candidates[split.customers] = True
    return _hold_out_last(split.train, candidates, min_baskets=2).of(split.train)


def _hold_out_last(histories: Histories, candidates: NDArray[np.bool_], min_baskets: int) -> EventSplit:
    baskets, rows, bought = histories.baskets(), histories.rows, _purchases(histories)
    last = np.full(len(histories), FIRST)
    np.maximum.at(last, rows[bought], baskets[bought])
    evaluated = candidates & (_count_baskets(histories, baskets, bought) >= min_baskets)
    before = (baskets < last[rows]) | ~evaluated[rows]
    target = bought & (baskets == last[rows]) & evaluated[rows]
    return _marked(histories, before, target, np.flatnonzero(evaluated).astype(np.int64))


def _count_baskets(
    histories: Histories, baskets: NDArray[np.int64], bought: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Distinct baskets of purchases per customer; sorted by time, equal baskets are adjacent."""
    rows, baskets = histories.rows[bought], baskets[bought]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (rows[1:] != rows[:-1]) | (baskets[1:] != baskets[:-1])
    return np.bincount(rows[new], minlength=len(histories))


def _marked(
    histories: Histories, train: NDArray[np.bool_], target: NDArray[np.bool_], customers: NDArray[np.int64]
) -> EventSplit:
    """Targets of evaluated customers only, one event (the first) per item."""
    evaluated = np.zeros(len(histories), np.bool_)
    evaluated[customers] = True
    wanted = np.flatnonzero(target & evaluated[histories.rows])
    pairs = (histories.rows[wanted] << 32) | histories.items[wanted]
    _, firsts = np.unique(pairs, return_index=True)
    keep = np.zeros(len(histories.items), np.bool_)
    keep[wanted[firsts]] = True
    return EventSplit(train, keep, customers)


def _purchases(histories: Histories) -> NDArray[np.bool_]:
    bought: NDArray[np.bool_] = histories.events == EventType.PURCHASE.code
    return bought


def _any(histories: Histories, events: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = np.zeros(len(histories), np.bool_)
    found[histories.rows[events]] = True
    return found
