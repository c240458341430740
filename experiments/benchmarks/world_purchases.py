"""The simulated world's purchases by person, all silos together, and what its hidden truth could predict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.basket_statistics import LastBasket, Purchases
from recsys.data.history import EventType
from recsys.silos.simulator.world import Chunk, World

NEW_ITEMS_LIST = 20
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class OracleLift:
    """Recall of the last basket's first-time purchases in NEW_ITEMS_LIST items never bought before."""

    oracle: float
    popularity: float

    @property
    def lift(self) -> float:
        """How many times more the true taste finds than popularity."""
        return self.oracle / self.popularity


def pooled_purchases(world: World) -> Purchases:
    """Distinct (person, day, item) purchases of the whole world."""
    columns = [column for chunk in world.chunks() for column in _chunk_purchases(chunk)]
    person, day, item = (np.concatenate(part) for part in zip(*columns, strict=True))
    return Purchases.distinct(person, day, item)


def oracle_lift(world: World, split: LastBasket) -> OracleLift:
    """Judge the persons of the first chunk; both lists hold only items that the person's silos carry."""
    chunk = world.chunk(0)
    n, items = len(chunk.people), len(world.goods)
    taste = _true_taste(world, chunk)
    popularity = np.bincount(split.train.item, minlength=items).astype(np.float32)
    train = split.train.where(split.train.customer < n)
    target = split.target.where(split.target.customer < n)
    owned = np.zeros((n, items), bool)
    owned[train.customer, train.item] = True
    target = target.where(~owned[target.customer, target.item])
    return OracleLift(
        _new_recall(np.where(owned, -1, taste), target),
        _new_recall(np.where(owned | (taste <= 0), -1, popularity), target),
    )


def _chunk_purchases(chunk: Chunk) -> Iterator[tuple[Codes, Codes, Codes]]:
    for silo in chunk.shopping:
        bought = silo.lines.event == EventType.PURCHASE.code
        rows = silo.members.rows[silo.lines.member[bought]]
        yield chunk.people.index[rows], silo.trips.day[silo.lines.trip[bought]], silo.lines.item[bought]


def _true_taste(world: World, chunk: Chunk) -> NDArray[np.float32]:
    """Chance of each item when a person buys something by taste; 0 where none of their silos carries it."""
    taste = np.zeros((len(chunk.people), len(world.goods)), np.float32)
    for silo in chunk.shopping:
        drawn = chunk.people.taste(world.goods, silo.members.rows, silo.place.shelf)
        drawn *= (silo.members.share / drawn.sum(axis=1))[:, None].astype(np.float32)
        taste[np.ix_(silo.members.rows, silo.place.shelf)] += drawn
    return taste


def _new_recall(scores: NDArray[np.float32], target: Purchases) -> float:
    top = np.argpartition(-scores, NEW_ITEMS_LIST, axis=1)[:, :NEW_ITEMS_LIST]
    hits = (top[target.customer] == target.item[:, None]).any(axis=1)
    size = np.bincount(target.customer)
    found = np.bincount(target.customer, weights=hits)
    return float((found[size > 0] / size[size > 0]).mean())
