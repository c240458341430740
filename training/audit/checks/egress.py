"""All that leaves the silos in a small run, on a world and on the same world without one customer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from recsys.silos.event_store import OnlineEventStore
from training import egress
from training.audit.checks.asked import Question, asking
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.filed import bought
from training.audit.finding import Finding
from training.config import TOWERS
from training.egress import Leaves
from training.messages import ARRAYS, FIELDS, HELLO, PLACES, RECEIPTS

STEPS = 2
PLAN = DpSgdPlan(clip_norm=0.3, noise_multiplier=4.0, sampling_rate=0.1, steps=STEPS)
NOISE, TARGET = 40.0, 8.0  # within the caps that the silos were made with

RECORDS = "records"

Captured = dict[tuple[str, ...], Any]


def egress_of_a_run() -> list[Finding]:
    """Every field of every reply: declared, and if public then bit-identical on all three worlds.

    Silos have online events too. The third world has a customer more whose every row is impossible.
    """
    worlds = {
        "one customer": _with_online(bench().neighbour),
        "impossible rows": _with_impossible_rows(_with_online(bench())),
    }
    everything = dict(_replies(_with_online(bench())))
    found = list[Finding]()
    for what, world in worlds.items():
        # The worlds differ in the first silo's files; the others have the same.
        other = dict(_replies(world, silos=1))
        first = {key[0] for key in other}
        whole = {key: value for key, value in everything.items() if key[0] in first}
        shapes = [{key: _form(value) for key, value in replies.items()} for replies in (whole, other)]
        facts = [{key: value for key, value in r.items() if _is_fact(key)} for r in (whole, other)]
        found += [
            _none("fields leave undeclared", _undeclared(everything | other)),
            _none(f"public fields tell of {what}", _different(*facts)),
            _none(f"records, shapes or types tell of {what}", _different(*shapes)),
            _none(f"replies are refusals ({what})", _refusals(other)),
            _none(f"sums are alike on both worlds ({what})", _copied(whole, other)),
        ]
    return [*found, _none("replies are refusals", _refusals(everything)), _of_nobody()]


def _of_nobody() -> Finding:
    """A silo in which nobody is answers like any other: its statuses are those of one customer's silo."""
    replies = dict(_replies(_with_nobody(bench().copy()), silos=1))
    return _none("replies of a silo in which nobody is are refusals", _refusals(replies))


def _with_nobody(world: Bench) -> Bench:
    folder = world.federation.silo_configs()[0].folder
    for name in ("interactions", "customers"):
        pq.write_table(pq.read_table(folder / f"{name}.parquet").slice(0, 0), folder / f"{name}.parquet")
    return world


def _undeclared(replies: Captured) -> list[str]:
    records = {key[-1] for key in replies if key[-2] == RECORDS} - {FIELDS, ARRAYS}
    names = {key[-1] for key in replies if key[-2] != RECORDS and not _may_leave(key[-1])}
    return sorted(records | names)


def _different(one: Captured, other: Captured) -> list[str]:
    keys = sorted(one.keys() | other.keys())
    return [" ".join(key) for key in keys if one.get(key) != other.get(key)]


def _refusals(replies: Captured) -> list[str]:
    return [" ".join(key) for key, value in replies.items() if key[-1] == "status" and value != "ok"]


def _copied(one: Captured, other: Captured) -> list[str]:
    sums = [key for key in one.keys() & other.keys() if _is_sum(key) and one[key].shape == other[key].shape]
    return [" ".join(key) for key in sums if np.mean(one[key] == other[key]) > 0.01]


def _form(value: Any) -> tuple[str, ...]:
    """What a message shows of a value apart from the value: its type, and an array's shape and numbers."""
    return (type(value).__name__, str(getattr(value, "shape", "")), str(getattr(value, "dtype", "")))


def _none(what: str, found: list[str]) -> Finding:
    examples = f" ({', '.join(found[:3])})" if found else ""
    return Finding("egress", not found, len(found), 0, f"{len(found)} {what}{examples}")


def _with_online(world: Bench) -> Bench:
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


def _with_impossible_rows(world: Bench) -> Bench:
    """One consenting customer more, who has bought what is not there, never, in numbers that are none."""
    folder = world.federation.silo_configs()[0].folder
    rows, customers = (pq.read_table(folder / f"{table}.parquet") for table in ("interactions", "customers"))
    one = rows.slice(0, 1).to_pylist()[0] | {"customer_id": "impossible"}
    wrong: list[dict[str, Any]] = [
        {"quantity": float("nan")},
        {"quantity": -1e300},
        {"quantity": float("inf")},
        {"event": "no such event"},
        {"item_id": "no such item"},
        {"timestamp": one["timestamp"].replace(year=2200)},
        {"event_id": ""},
        {"price": -1.0},
    ]
    broken = [
        one | {"event_id": f"{number}"} | {k: v for k, v in odd.items() if k in one}
        for number, odd in enumerate(wrong)
    ]
    newcomer = customers.slice(0, 1).to_pylist()[0] | {"customer_id": "impossible", "consent_training": True}
    newcomer |= {"person_key": "impossible"} if "person_key" in newcomer else {}
    for table, name, added in ((rows, "interactions", broken), (customers, "customers", [newcomer])):
        grown = pa.concat_tables([table, pa.Table.from_pylist(added, schema=table.schema)])
        pq.write_table(grown, folder / f"{name}.parquet")
    return world


def plan_of(world: Bench) -> PrivacyPlan:
    """The plan of the run."""
    return world.plan(PLAN, noise_multiplier=NOISE, target=TARGET)


def _replies(world: Bench, *, silos: int | None = None) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each field of each reply, by silo, stage and round."""
    plan = plan_of(world)
    with asking(world, plan) as answers:
        for (silo, stage, number), reply in answers.messages(_questions(), end=STEPS, silos=silos):
            key = (silo, stage, str(number))
            if not reply.has_content():
                yield (*key, "status"), "no reply"
                continue
            yield from (((*key, RECORDS, name), name) for name in reply.content)
            fields: dict[str, Any] = dict(reply.content["fields"])
            arrays: dict[str, Any] = dict(reply.content["arrays"])
            yield from (((*key, name), _comparable(name, value)) for name, value in fields.items())
            yield from (((*key, name), array.numpy()) for name, array in arrays.items())


def _questions() -> list[Question]:
    sums = [(f"train.{name}", 0) for name in SUMS]
    steps = [(f"train.{TOWERS}", number) for number in range(STEPS)]
    return [(HELLO, 0), (PLACES, 0), *sums, *steps, (RECEIPTS, 0)]


def _comparable(name: str, value: Any) -> Any:
    """Receipts without what a clock or a keyed digest makes different each time."""
    if name != "receipts":
        return value
    dropped = {"hash", "time"}
    return [{k: v for k, v in json.loads(text).items() if k not in dropped} for text in json.loads(value)]


def _leaves(name: str) -> Leaves | None:
    declared = egress.EGRESS.get(name)
    return None if declared is None else declared.leaves


def _may_leave(name: str) -> bool:
    return _leaves(name) not in (None, Leaves.REFUSED)


def _is_fact(key: tuple[str, ...]) -> bool:
    """Public, or sealed and comparable: the same whatever the data are."""
    return key[-1] == "receipts" or _leaves(key[-1]) is Leaves.PUBLIC


def _is_sum(key: tuple[str, ...]) -> bool:
    return _leaves(key[-1]) is Leaves.NOISED
