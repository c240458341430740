"""A reason for every item, from the customer's own events or from published facts only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.contents import Parts
from recsys.data.history import Histories
from recsys.recommend.stages import Profile, times_bought
from recsys.recommend.types import Reason, ReasonKind

MATTERS = 0.1
"""A taste below this (a lift of 1.1) is not worth calling a reason: the item is shown as popular."""

POPULAR = Reason(ReasonKind.POPULAR, None, "Popular with many customers")


class Explainer:
    """Finds the reason that the published parts support, for items that are about to be shown."""

    def __init__(self, parts: Parts, history_table: NDArray[np.float32]) -> None:
        """history_table: float32 [n, d], the bundle's, zero in the columns of parts that are switched off."""
        self._names = [title or key for title, key in zip(*_texts(parts), strict=True)]
        self._vectors, self._table = parts.vectors, history_table
        self._neighbours, self._categories = parts.neighbours, parts.catalogue.categories
        self._log_lifts = np.log(np.maximum(parts.lifts, 1.0))

    def reasons(
        self,
        items: NDArray[np.int64],
        profile: Profile,
        history: Histories,
        context: Sequence[int],
        due: Mapping[int, str],
        next_needs: Mapping[str, str] | None = None,
    ) -> list[Reason]:
        """One reason per item; `history` is this one customer's, `context` the scene's items, `due` the words
        for items that are needed soon, `next_needs` those for categories that are needed next.

        In this order: goes with the scene's item, due again, bought before, needed next, goes with an own
        item, matches an own item in the vectors, popular.
        """
        sources = profile.ids[profile.weights > 0.0]
        weights = profile.weights[profile.weights > 0.0][:, None]
        scene = self._linked(np.array(context, np.int64), items, 1.0)
        together = self._linked(sources, items, weights)
        taste = _strongest(self._table[sources] @ self._vectors[items].T * weights, MATTERS)
        needed = next_needs or {}
        bought = times_bought(history) if len(profile.bought) else {}

        def reason(place: int, item: int) -> Reason:
            if scene[place] >= 0:
                return self.goes_with(context[scene[place]])
            if item in due:
                return Reason(ReasonKind.DUE, item, due[item])
            if item in bought:
                return _bought_before(item, bought[item])
            if needed and (text := needed.get(self._categories[item])):
                return Reason(ReasonKind.NEXT_NEED, None, text)
            if together[place] >= 0:
                own = int(sources[together[place]])
                return self.goes_with(own, "you bought" if own in bought else "you looked at")
            return self.matches(int(sources[taste[place]])) if taste[place] >= 0 else POPULAR

        return [reason(place, item) for place, item in enumerate(items.tolist())]

    def links(self, sources: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float32]:
        """log lift of each item beside each source, 0 if they are no neighbours; float32 [sources, items]."""
        place = np.full(len(self._names) + 1, len(items))
        place[items] = np.arange(len(items))
        found = np.zeros((len(sources), len(items) + 1), np.float32)
        rows = np.arange(len(sources))[:, None]
        found[rows, place[self._neighbours[sources]]] = self._log_lifts[sources]
        return found[:, :-1]

    def _linked(
        self, sources: NDArray[np.int64], items: NDArray[np.int64], weights: NDArray[np.float32] | float
    ) -> list[int]:
        if not len(sources):
            return [-1] * len(items)
        return _strongest(self.links(sources, items) * weights, 0.0)

    def goes_with(self, item: int, how: str = "") -> Reason:
        """'Often bought with X[, which you bought]'."""
        tail = f", which {how}" if how else ""
        return Reason(ReasonKind.GOES_WITH, item, f"Often bought with {self._names[item]}{tail}")

    def matches(self, item: int) -> Reason:
        """'Matches your interest in X'."""
        return Reason(ReasonKind.TASTE, item, f"Matches your interest in {self._names[item]}")

    def beside(self, item: int, together: bool) -> Reason:
        """Why an item stands beside another one: bought together, or merely alike."""
        if together:
            return self.goes_with(item)
        return Reason(ReasonKind.TASTE, item, f"Similar to {self._names[item]}")


def _texts(parts: Parts) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return parts.catalogue.titles, parts.catalogue.item_ids


def _strongest(strengths: NDArray[np.float32], threshold: float) -> list[int]:
    """For each column the row with the largest value, or -1 if none exceeds the threshold."""
    if not len(strengths):
        return [-1] * strengths.shape[1]
    rows = strengths.argmax(axis=0)
    weak = strengths[rows, np.arange(len(rows))] <= threshold
    rows[weak] = -1
    chosen: list[int] = rows.tolist()
    return chosen


def _bought_before(item: int, times: int) -> Reason:
    text = "You bought it before" if times == 1 else f"You bought it {times} times"
    return Reason(ReasonKind.BOUGHT_BEFORE, item, text)
