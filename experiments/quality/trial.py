"""One split of a data set: which events train, which a customer shows, which have to be found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.data.split import EventSplit, Split
from recsys.metrics.ranking import Denominator


@dataclass(frozen=True, eq=False)
class Trial:
    """Marks on the events of `histories`, which all methods share.

    train:     bool [events], what is learned from
    visible:   bool [events], what a customer's ranking may read
    target:    bool [events], one event per item to be found
    customers: int64, increasing: who is evaluated
    denominator: of recall: all relevant items, or at most k of them
    new_only:  whether owned items are never recommended
    headline:  the metric in which methods are tuned and the share of lift is computed
    candidates: int64 [customers, c], -1 at the end: rank among these alone; None: among all items
    """

    histories: Histories
    n_items: int
    train: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    target: NDArray[np.bool_]
    customers: NDArray[np.int64]
    denominator: Denominator
    new_only: bool
    headline: str
    notes: tuple[str, ...] = ()
    candidates: NDArray[np.int64] | None = field(default=None)

    @cached_property
    def learned(self) -> Histories:
        """The histories that train, of all customers that have any."""
        return self.histories.where(self.train).select(self.learners)

    @cached_property
    def learners(self) -> NDArray[np.int64]:
        """Customers with something that trains; int64, increasing."""
        return np.flatnonzero(np.bincount(self.histories.rows[self.train], minlength=len(self.histories)))

    @cached_property
    def shown(self) -> Histories:
        """What the evaluated customers show, one row each."""
        return self.histories.where(self.visible).select(self.customers)

    @cached_property
    def wanted(self) -> Histories:
        """What they should be shown, one row each."""
        return self.histories.where(self.target).select(self.customers)

    @cached_property
    def split(self) -> Split:
        """The evaluated customers as a split of their own."""
        return Split(self.shown, self.wanted, np.arange(len(self.customers)))

    def sample(self, customers: int, random: np.random.Generator) -> Trial:
        """The same with at most so many evaluated customers."""
        if len(self.customers) <= customers:
            return self
        chosen = np.sort(random.choice(len(self.customers), customers, replace=False))
        few = self.customers[chosen]
        return replace(self, customers=few, candidates=_rows(self.candidates, chosen))

    def among(self, items: NDArray[np.int64]) -> Trial:
        """The same split with these items alone; who has nothing left to find is not evaluated."""
        position = np.full(self.n_items, -1, np.int32)
        position[np.sort(items)] = np.arange(len(items), dtype=np.int32)
        keep = position[self.histories.items] >= 0
        kept, target = self.histories.where(keep), self.target[keep]
        evaluated = np.isin(self.customers, kept.rows[target])
        candidates = _rows(self.candidates, np.flatnonzero(evaluated))
        if candidates is not None:
            moved = np.where(candidates >= 0, position[candidates], -1).astype(np.int64)
            candidates = -np.sort(-moved, axis=1)  # the gaps at the end
        return replace(
            self,
            histories=replace(kept, items=position[kept.items]),
            n_items=len(items),
            train=self.train[keep],
            visible=self.visible[keep],
            target=target,
            customers=self.customers[evaluated],
            candidates=candidates,
        )

    def showing(self, silos: NDArray[np.int64], silo_of: NDArray[np.int64]) -> Trial:
        """Rankings read what a customer bought in one silo: silos, int64 [events]; silo_of, [customers]."""
        home = np.full(len(self.histories), -1, np.int64)
        home[self.customers] = silo_of
        return replace(self, visible=self.visible & (silos == home[self.histories.rows]))

    def replaced(self, events: EventSplit) -> Trial:
        """Another split of the same kind, over the same histories."""
        return replace(
            self,
            train=events.train,
            visible=events.train,
            target=events.target,
            customers=events.customers,
            candidates=None,
        )


def _rows(array: NDArray[np.int64] | None, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    return None if array is None else array[rows]
