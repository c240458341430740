"""Worlds of files that are changed in their first silo: with online events, and with impossible rows."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.silos.event_store import OnlineEventStore
from training.audit.checks.bench import Bench
from training.audit.checks.filed import bought


def with_online(world: Bench) -> Bench:
    """A copy whose first silo trains on what serving took in as well; of those who are in its tables."""
    copy = world.copy()
    silo = copy.federation.silo_configs()[0]
    store = OnlineEventStore(silo.online or silo.folder / "online.sqlite")
    rows = pq.read_table(silo.folder / "interactions.parquet").slice(0, 500).to_pylist()
    for number, row in enumerate(rows):
        name, last = f"online-{number}", row["timestamp"]
        store.append(
            bought(row["customer_id"], [row["item_id"]], [name], last.replace(tzinfo=last.tzinfo or UTC))
        )
    store.close()
    return copy


def with_impossible_rows(world: Bench, *, sound: int = 0) -> Bench:
    """One consenting customer more, who has bought what is not there, never, in numbers that are none.

    sound: purchases of that customer that are as they should be, of every item that the silo lists in turn
    """
    folder = world.federation.silo_configs()[0].folder
    names = ("interactions", "customers", "items")
    rows, customers, items = (pq.read_table(folder / f"{name}.parquet") for name in names)
    one = rows.slice(0, 1).to_pylist()[0] | {"customer_id": "impossible"}
    wrong: list[dict[str, Any]] = [
        {"quantity": float("nan")},
        {"quantity": -1e300},
        {"quantity": float("inf")},
        {"event": "no such event"},
        {"item_id": "no such item"},
        {"timestamp": one["timestamp"].replace(year=2200)},
        {"timestamp": None},
        {"event_id": ""},
        {"price": -1.0},
    ]
    broken = [
        one | {"event_id": f"{number}"} | {k: v for k, v in odd.items() if k in one}
        for number, odd in enumerate(wrong)
    ]
    newcomer = customers.slice(0, 1).to_pylist()[0] | {"customer_id": "impossible", "consent_training": True}
    newcomer |= {"person_key": "impossible"} if "person_key" in newcomer else {}
    broken += _sound(one, items["item_id"].to_pylist(), sound)
    for table, name, added in ((rows, "interactions", broken), (customers, "customers", [newcomer])):
        grown = pa.concat_tables([table, pa.Table.from_pylist(added, schema=table.schema)])
        pq.write_table(grown, folder / f"{name}.parquet")
    return world


def _sound(one: dict[str, Any], items: list[str], count: int) -> list[dict[str, Any]]:
    return [
        one
        | {
            "event_id": f"sound-{number}",
            "event": "purchase",
            "item_id": items[number % len(items)],
            "timestamp": one["timestamp"] - timedelta(hours=number),
        }
        for number in range(count)
    ]
