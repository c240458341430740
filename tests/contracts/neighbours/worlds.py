"""Small silos whose customers' rows collide on purpose, and the same ones but for one customer.

`draw_world(number)` is a silo as it is exported: cells of files, with the owner of each. `World.without`
takes one customer out with ALL of that customer's rows. `written.write_world` makes folders of both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from recsys.silos.events import Event

FIRST = datetime(2024, 1, 1, 8, tzinfo=UTC)
DAYS = 400
ITEMS = tuple(f"item {number:02d}" for number in range(12))
CATEGORIES = ("coffee", "nappies", "bread")
STORES = ("s1", "s2")
AREAS = ("north", "south")
CUSTOMERS = (
    "a",
    "a\x1fb",
    "b",
    "b\x1fc",
    "ab",
    "1",
    "01",
    "1.0",
    "c 1",
    "c 10",
    'q"q',
    "a,b",
    "é",
    "A",
    "null",
)
"""Customers' ids: prefixes of each other, numbers that are equal, separators of files and of joined keys."""

EVENTS = ("1", "2", "c", "b", "b\x1fc", "\x1fc", "x", "x,y", "", " 1 ", "01", "a\x1fb", "null", "é")
"""Ids of events, few enough to meet over customers; an empty one is none in CSV and a breach in Parquet."""

SOUND = "sound"
FAULTS = (
    "negative quantity",
    "huge quantity",
    "future",
    "no time",
    "unknown item",
    "unknown store",
    "unknown word",
    "no customer",
    "same event twice",
    "zone among none",
    "text quantity",
    "negative price",
    "broken line",
    "two customer rows",
    "no consent given",
    "rank of nought",
)
"""What one customer's rows may hold against the contract; some need text: only CSV files have them."""

LINES = (
    b'"',
    b'"a',
    b"a",
    b"a,b,c,d,e,f,g,h,i,j,k,l,m",
    b"\xff\xfe,x",
    b'x"y"z,"',
    b"a\x00b",
    b"a\rb",
    b",,,,",
)

Cells = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """Cells by column, or a line of a CSV file that is none; of one customer."""

    owner: str
    cells: Cells | bytes


@dataclass(frozen=True)
class World:
    """A silo: `kind` csv or parquet; `ordering` timestamp or order_no; `aware` times have a zone in them.

    customers, interactions: rows in the order of the files; online: events in the order they came in;
    broken: what is wrong with which customer's rows, nothing in a sound world
    """

    number: int
    kind: str
    ordering: str
    aware: bool
    names: tuple[str, ...]
    customers: tuple[Row, ...]
    interactions: tuple[Row, ...]
    online: tuple[Event, ...]
    broken: dict[str, str]

    def without(self, customer: str) -> World:
        """The neighbour: one customer is gone, with all rows."""
        return replace(
            self,
            names=tuple(name for name in self.names if name != customer),
            customers=tuple(row for row in self.customers if row.owner != customer),
            interactions=tuple(row for row in self.interactions if row.owner != customer),
            online=tuple(event for event in self.online if event.customer_id != customer),
            broken={name: fault for name, fault in self.broken.items() if name != customer},
        )


def draw_world(number: int, *, sound: bool = False, kind: str | None = None) -> World:
    """The world of a number; sound: nothing breaks the contract; kind: of file, drawn if None."""
    r = np.random.default_rng(number)
    names = tuple(str(name) for name in r.permutation(CUSTOMERS)[: int(r.integers(2, 9))])
    kind = kind or ("csv", "parquet")[number % 2]
    ordering = "order_no" if number % 5 == 4 else "timestamp"
    aware = kind == "parquet" or bool(r.random() < 0.5)
    broken = {} if sound else {name: str(r.choice(FAULTS)) for name in names if r.random() < 0.4}
    drawn = _Drawn(r, kind, ordering, aware)
    interactions = [row for name in names for row in drawn.interactions(name, broken.get(name, SOUND))]
    customers = [row for name in names for row in drawn.customer(name, broken.get(name, SOUND))]
    online = [event for name in names for event in drawn.online(name)] if ordering == "timestamp" else []
    return World(
        number,
        kind,
        ordering,
        aware,
        names,
        tuple(customers[place] for place in r.permutation(len(customers))),
        tuple(interactions[place] for place in r.permutation(len(interactions))),
        tuple(online[place] for place in r.permutation(len(online))),
        broken,
    )


def draw_pair(number: int, *, sound: bool = False, kind: str | None = None) -> tuple[World, World, str]:
    """A world, its neighbour, and the customer who is gone: one whose rows are broken, if there is one."""
    world = draw_world(number, sound=sound, kind=kind)
    r = np.random.default_rng((number, 1))
    chosen = str(r.choice(sorted(world.broken) or world.names))
    return world, world.without(chosen), chosen


@dataclass(frozen=True)
class _Drawn:
    """One world's draws."""

    r: np.random.Generator
    kind: str
    ordering: str
    aware: bool

    def customer(self, name: str, fault: str) -> list[Row]:
        cells: Cells = {
            "customer_id": name,
            "person_key": f"person of {name}",
            "person_rank": int(self.r.integers(1, 3)),
            "consent_training": bool(self.r.random() < 0.8),
            "consent_personalisation": True,
        }
        if fault == "no consent given":
            cells["consent_training"] = None
        if fault == "rank of nought":
            cells["person_rank"] = 0
        rows = [Row(name, cells)]
        if fault == "two customer rows":
            again = cells | {"customer_id": f" {name}", "person_key": None, "consent_training": True}
            rows.append(Row(name, again))
        return rows

    def interactions(self, name: str, fault: str) -> list[Row]:
        count = int(self.r.choice([0, 1, 2, 5, 12, 60], p=[0.1, 0.2, 0.2, 0.2, 0.25, 0.05]))
        ids = [str(word) for word in self.r.permutation(EVENTS)]
        ids = [word for word in ids if word.strip()] + [str(100 + place) for place in range(count)]
        ids = list({word.strip(): word for word in ids}.values())
        cells = [self._interaction(name, ids[place]) for place in range(count)]
        if fault == "broken line" and self.kind == "csv":
            lines = [bytes(line) for line in self.r.choice(np.array(LINES, object), 2)]
            return [Row(name, line) for line in lines] + [Row(name, one) for one in cells]
        if cells:
            cells[-1] = self._broken(cells[-1], fault, cells[0])
        return [Row(name, one) for one in cells]

    def online(self, name: str) -> list[Event]:
        ids = [word for word in EVENTS if word and word == word.strip()]
        chosen = self.r.permutation(ids)[: int(self.r.integers(0, 5))]
        return [
            Event(
                str(event_id),
                name,
                str(self.r.choice(ITEMS)),
                str(self.r.choice(["purchase", "view", "cart"])),
                float(self.r.integers(1, 4)),
                self._time(),
                str(self.r.choice([*STORES, "closed"])) if self.r.random() < 0.5 else None,
            )
            for event_id in chosen
        ]

    def _interaction(self, name: str, event_id: str) -> Cells:
        return {
            "event_id": event_id if self.r.random() < 0.9 else None,
            "customer_id": name if self.r.random() < 0.8 else f" {name} ",
            "item_id": str(self.r.choice(ITEMS)),
            "event": str(self.r.choice(["purchase", "purchase", "view"])),
            "quantity": float(self.r.choice([1.0, 2.0, 0.5])),
            "price": float(self.r.integers(1, 9)) if self.r.random() < 0.5 else None,
            self.ordering: self._time() if self.ordering == "timestamp" else int(self.r.integers(1, 30)),
            "store_id": str(self.r.choice(STORES)) if self.r.random() < 0.7 else None,
        }

    def _time(self) -> datetime:
        """Whole hours of few days, so that times tie."""
        return FIRST + timedelta(days=int(self.r.integers(DAYS)), hours=int(self.r.integers(12)))

    def _broken(self, cells: Cells, fault: str, first: Cells) -> Cells:
        zoned = "2024-02-03T10:00:00" if self.aware else "2024-02-03T10:00:00+02:00"
        text = self.kind == "csv"
        changes: dict[str, Cells] = {
            "negative quantity": {"quantity": -1.0},
            "huge quantity": {"quantity": float(self.r.choice([1e7, np.nan, np.inf, -np.inf]))},
            "future": {"timestamp": datetime(2190, 1, 1, tzinfo=UTC)} if "timestamp" in cells else {},
            "no time": {self.ordering: None},
            "unknown item": {"item_id": "caviar"},
            "unknown store": {"store_id": "closed"},
            "unknown word": {"event": "stolen"},
            "no customer": {"customer_id": "nobody"},
            "same event twice": {"event_id": first["event_id"]},
            "zone among none": {"timestamp": zoned} if text and "timestamp" in cells else {},
            "text quantity": {"quantity": "two"} if text else {},
            "negative price": {"price": -2.0},
        }
        return cells | changes.get(fault, {})
