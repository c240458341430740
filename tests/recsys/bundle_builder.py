"""A small synthetic bundle with planted taste: items and customers belong to groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recsys.bundle.contents import Bundle, Parts, assemble
from recsys.bundle.manifest import BlendSpec, SequenceSpec
from recsys.bundle.store import write_bundle
from recsys.data.history import EventType, Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.models.followup_rules import FollowUp
from recsys.seeds import rng
from recsys.towers.export import export_user_tower

NOW = 1_760_000_000
DAY = 86_400
GROUPS = 5


@dataclass(frozen=True)
class World:
    """Sizes and strengths of a synthetic bundle; the same values give the same bundle."""

    n_items: int = 60
    tower_columns: int = 8
    copurchase_columns: int = 6
    neighbours: int = 5
    taste: float = 2.0
    seed: int = 0
    sequence: SequenceSpec = field(default_factory=SequenceSpec)
    blend: BlendSpec = field(default_factory=BlendSpec)
    follow_ups: tuple[FollowUp, ...] | None = None


def group_of(item: int) -> int:
    """The planted group of an item."""
    return item % GROUPS


def make_catalogue(n_items: int) -> Catalogue:
    """Items 'item-000' onwards, with titles, a category per group and prices."""
    numbers = range(n_items)
    return Catalogue.from_table(
        pa.table(
            {
                "item_id": [f"item-{i:03d}" for i in numbers],
                "title": [f"Product {i}" for i in numbers],
                "brand": [f"brand-{i % 3}" for i in numbers],
                "category": [f"category-{group_of(i)}" for i in numbers],
                "department": ["food"] * n_items,
                "price": [1.0 + i for i in numbers],
                "consumable": [True] * n_items,
            }
        )
    )


def make_parts(world: World) -> Parts:
    """Vectors that point to the item's group, Zipf popularity, neighbours within the group."""
    random = rng(world.seed, "bundle")
    n, d = world.n_items, world.tower_columns + world.copurchase_columns
    groups = np.array([group_of(i) for i in range(n)])
    centres = np.linalg.qr(random.normal(size=(d, d)))[0][:GROUPS]
    table = (centres[groups] + 0.05 * random.normal(size=(n, d))).astype(np.float32)
    popularity = 1.0 / np.arange(1, n + 1)
    neighbours, lifts = _neighbours(groups, world.neighbours)
    return Parts(
        catalogue=make_catalogue(n),
        vectors=np.float32(world.taste) * table,
        history_table=table,
        log_popularity=np.log(popularity / popularity.sum()).astype(np.float32),
        user_tower=export_user_tower(table),
        neighbours=neighbours,
        lifts=lifts,
        intervals=make_intervals(),
        statement={"id": "test", "epsilon": 4.0, "delta": 1e-6, "unit": "customer"},
        follow_ups=world.follow_ups,
    )


def build_bundle(world: World | None = None, **changes: Any) -> Bundle:
    """A bundle in memory; `changes` are fields of World."""
    world = World(**changes) if world is None else world
    columns = world.tower_columns, world.tower_columns + world.copurchase_columns
    return assemble(
        make_parts(world),
        sequence=world.sequence,
        blend=world.blend,
        blocks={"towers": (0, columns[0]), "copurchase": columns},
        created_at=datetime.fromtimestamp(NOW, UTC),
    )


def make_bundle(parent: Path, **changes: Any) -> Path:
    """A bundle written to the new folder parent/bundle; `changes` are fields of World."""
    return write_bundle(parent / "bundle", build_bundle(**changes))


def make_history(*events: tuple[int, int] | tuple[int, int, EventType]) -> Histories:
    """One customer's history of (item, days ago[, event]), sorted by time."""
    rows = sorted(
        ((e[0], e[1], e[2] if len(e) > 2 else EventType.PURCHASE) for e in events), key=lambda e: -e[1]
    )
    return Histories(
        np.array([0, len(rows)]),
        np.array([row[0] for row in rows], np.int32),
        np.array([NOW - row[1] * DAY for row in rows], np.int64),
        np.array([row[2].code for row in rows], np.int8),
        np.ones(len(rows), np.float32),
        Ordering.TIMESTAMP,
    )


def make_histories(n: int, n_items: int, *, seed: int = 0, max_events: int = 30) -> Histories:
    """n customers who buy mostly within one group; some histories are empty."""
    random = rng(seed, "histories")
    lengths = random.integers(0, max_events, n)
    favourite = np.repeat(random.integers(0, GROUPS, n), lengths)
    items = random.integers(0, n_items, lengths.sum())
    own = (items - items % GROUPS + favourite) % n_items
    items = np.where(random.random(len(items)) < 0.8, own, items).astype(np.int32)
    days = np.concatenate([np.sort(random.integers(0, 100, length)) for length in lengths])
    return Histories(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        items,
        NOW - (100 - days) * DAY,
        np.full(len(items), EventType.PURCHASE.code, np.int8),
        np.ones(len(items), np.float32),
        Ordering.TIMESTAMP,
    )


def make_intervals() -> dict[str, np.ndarray]:
    """Weekly to four-weekly purchases, by category: logarithms of days."""
    return {"mean": np.log(np.linspace(7.0, 28.0, GROUPS)), "variance": np.full(GROUPS, 0.1)}


def _neighbours(groups: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    neighbours = np.full((len(groups), m), -1, np.int32)
    lifts = np.zeros((len(groups), m), np.float32)
    for item, group in enumerate(groups):
        near = [j for j in np.flatnonzero(groups == group) if j != item][:m]
        neighbours[item, : len(near)] = near
        lifts[item, : len(near)] = np.linspace(4.0, 1.5, m)[: len(near)]
    return neighbours, lifts
