"""What every baseline is: fitted to histories, it scores all items for any customer; and ranking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.errors import ConfigError

NO_ITEM = -1
LAST = np.iinfo(np.int64).min
CELLS_AT_ONCE = 4_000_000
"""Scores in memory at a time: 4 million float32 and their copies stay below 100 MB."""


class Baseline(Protocol):
    """A fitted method. It may have seen many customers, but a score depends on the given history alone."""

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """The score of every item; float32 [n, n_items], -inf for what the method never recommends."""
        ...


@dataclass(frozen=True)
class Ranked:
    """Lists with and without the items that a customer has; int32 [n, k] each, -1 where a list ends."""

    overall: NDArray[np.int32]
    fresh: NDArray[np.int32]


def rank_all(model: Baseline, histories: Histories, popularity: NDArray[np.float64], k: int) -> Ranked:
    """Rank all items for all customers, some hundred at a time; ties go to the more popular, then by item.

    popularity: [n_items], breaks ties. Raises ConfigError if k is below 1.
    """
    order, nobody = Order.of(popularity), np.zeros((0, k), np.int32)
    overall, fresh = [nobody], [nobody]
    for part, scores in blocks(model, histories, len(popularity)):
        keys = order.keys(scores)
        overall.append(order.best(keys, k))
        keys[part.rows, part.items] = LAST
        fresh.append(order.best(keys, k))
    return Ranked(np.concatenate(overall), np.concatenate(fresh))


def blocks(
    model: Baseline, histories: Histories, n_items: int
) -> Iterator[tuple[Histories, NDArray[np.float32]]]:
    """The histories in blocks, each with its scores."""
    size = max(1, CELLS_AT_ONCE // max(n_items, 1))
    for start in range(0, len(histories), size):
        part = histories.select(np.arange(start, min(start + size, len(histories))))
        yield part, model.scores(part)


def top_k(scores: NDArray[np.float32], popularity: NDArray[np.float64], k: int) -> NDArray[np.int32]:
    """The k best items of each row, best first; int32 [n, k], -1 where there are no more.

    Items of score -inf are not listed; ties go to the more popular item, then to the lower position.
    """
    order = Order.of(popularity)
    return order.best(order.keys(scores), k)


@dataclass(frozen=True)
class Order:
    """A total order of scored items: one integer each, of the score's bits and then the popularity's place.

    Distinct integers make partial sorting exact, ties included.
    by_place: int64 [n_items], items from most to least popular; place: its inverse
    """

    by_place: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, popularity: NDArray[np.float64]) -> Order:
        """Ties by popularity, then by position."""
        by_place = np.argsort(-popularity, kind="stable")
        place = np.empty(len(by_place), np.int64)
        place[by_place] = np.arange(len(by_place))
        return cls(by_place, place)

    def keys(self, scores: NDArray[np.float32]) -> NDArray[np.int64]:
        """int64 [n, n_items], larger is better; LAST for a score of -inf. NaN is refused."""
        if np.isnan(scores).any():
            raise ConfigError("a score is not a number; correct the method's settings")
        bits = (scores.astype(np.float32) + np.float32(0.0)).view(np.int32)  # + 0 makes -0 and 0 one
        bits = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))  # as integers, in the order of the floats
        keys: NDArray[np.int64] = (bits.astype(np.int64) << 32) + (len(self.place) - 1 - self.place)
        keys[scores == -np.inf] = LAST
        return keys

    def best(self, keys: NDArray[np.int64], k: int) -> NDArray[np.int32]:
        """The items of the k largest keys of each row; int32 [n, k], -1 where there are no more."""
        if k < 1:
            raise ConfigError(f"k is {k}; rank at least 1 item")
        n_items = keys.shape[1]
        found = min(k, n_items)
        top = np.partition(keys, n_items - found, axis=1)[:, n_items - found :]
        top = np.sort(top, axis=1)[:, ::-1]
        places = n_items - 1 - (top & 0xFFFFFFFF)
        ranked = np.full((len(keys), k), NO_ITEM, np.int32)
        listed = top > LAST
        ranked[:, :found] = np.where(listed, self.by_place[np.where(listed, places, 0)], NO_ITEM)
        return ranked
