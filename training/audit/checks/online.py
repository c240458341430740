"""One customer more or less in a silo that also trains on what serving took in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.contracts import Table
from recsys.data.history import SIGNALS
from recsys.silos.events import Event
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.edits import Edit, busiest, trained_customers, without
from training.audit.checks.filed import bought, edited, filed, ids_of, tables_of, with_ids, with_value
from training.audit.checks.noise import EVERYONE
from training.audit.checks.sensitivity import ROUNDED, SLACK, bound_of, exact_sum
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import TOWERS

ALONE = timedelta(days=10)
EVENTS = 200  # fewer than items, so that each counts


def _last_alone(customer: str, until: datetime | None) -> Edit:
    """In the last days of what is trained on nobody else did anything: no day may be counted from theirs."""

    def edit(table: Table, rows: pa.Table) -> pa.Table:
        if table is not Table.INTERACTIONS or until is None:
            return rows
        times = rows["timestamp"]
        late = pc.and_(pc.greater_equal(times, until - ALONE), pc.less(times, until))
        return rows.filter(pc.or_(pc.invert(late), pc.equal(rows["customer_id"], customer)))

    return edit


class _Scene:
    """Customers of the first silo whose events carry each other's ids, in the tables and online."""

    def __init__(self, world: Bench) -> None:
        self.world = world
        silo = Subject(world).node.silo
        trained = trained_customers(silo).to_pylist()
        self.first = busiest(silo)
        others = [c for c in trained if c != self.first]
        self.second, self.beyond, self.silent, self.erased, self.unranked = others[:5]
        rows = silo.read(Table.INTERACTIONS)
        self.last = pc.min(rows["timestamp"]).as_py()
        self.items = sorted(set(rows["item_id"].to_pylist()))
        self.ids = {customer: ids_of(rows, customer) for customer in (self.first, self.second)}
        self.base: Edit = edited(
            with_value(self.beyond, "person_rank", len(world.federation.silos)),
            with_value(self.unranked, "person_rank", None),
            with_value(self.silent, "consent_training", False),
            _last_alone(self.first, world.settings.until),
            with_ids(self.first, self.ids[self.second][::2]),
        )

    def online(self, *gone: str) -> list[Event]:
        """What serving took in of those who are there."""
        ids = self._online_ids()
        own = {customer: bought(customer, self._many(), names, self.last) for customer, names in ids.items()}
        return [event for customer, events in own.items() if customer not in gone for event in events]

    def _online_ids(self) -> Mapping[str, list[str]]:
        """Each has ids of the other's events, in the tables and online."""
        shared = [f"shared-{number}" for number in range(EVENTS)]
        taken = {self.first: self.ids[self.second][1::2], self.second: self.ids[self.first][1::2]}
        return {customer: (names + shared)[:EVENTS] for customer, names in taken.items()}

    def _many(self) -> list[str]:
        return (self.items * EVENTS)[:EVENTS]

    def subject(self, *gone: str) -> Subject:
        """The silo without these customers."""
        return filed(self.world, tables_of(self.world, edited(self.base, without(*gone))), self.online(*gone))

    def with_those_who_do_not_train(self) -> Subject:
        """The silo with events that may train nothing."""
        extra = list[Event]()
        for customer in (self.beyond, self.unranked, self.silent, self.erased):
            extra += bought(customer, self._many(), self._online_ids()[self.first], self.last)
        # More than a silo keeps of a customer, and the latest of all: they would push out what may train.
        names = [f"signal-{number}" for number in range(self.world.settings.max_events_per_customer)]
        moment = self.world.settings.until or self.last
        for number, kind in enumerate(sorted(SIGNALS)):
            ids = [f"{number}-{name}" for name in names]
            items = (self.items * len(ids))[: len(ids)]
            extra += bought(self.second, items, ids, moment - timedelta(hours=1), kind, minutes=1)
        tables = tables_of(self.world, self.base)
        return filed(self.world, tables, [*self.online(), *extra], erased=[self.erased])


def online_neighbours() -> list[Finding]:
    """Sums with and without customers who have events in the tables and online, under ids of others."""
    world = bench()
    plan, scene = world.plan(EVERYONE), _Scene(world)
    a, b = scene.first, scene.second
    subjects = [scene.subject(), scene.subject(a), scene.subject(b), scene.subject(a, b)]
    subjects.append(scene.with_those_who_do_not_train())
    found = list[Finding]()
    for name in (*SUMS, TOWERS):
        whole, no_a, no_b, neither, more = (exact_sum(subject, name, plan) for subject in subjects)
        bound = bound_of(plan, name)
        moved = max(float(np.linalg.norm(whole - less)) for less in (no_a, no_b))
        changed = float(np.linalg.norm(whole - no_a - no_b + neither))
        told = float(np.abs(whole - more).max())
        found += [
            _finding(moved, bound * (1 + SLACK), f"{name}: a customer with online events moves the sum by"),
            _finding(changed, ROUNDED * bound, f"{name}: one's part moves, by ids of another, by"),
            _finding(told, 0.0, f"{name}: events that may not train move the sum by"),
        ]
    return found


def _finding(moved: float, bound: float, words: str) -> Finding:
    return Finding(
        "online neighbours", bool(moved <= bound), moved, bound, f"{words} {moved:.3g} of {bound:.3g}"
    )
