"""All that leaves the silos in a small run, on a world and on the same world without one customer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from recsys.errors import ThousandFacesError
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from training import egress
from training.audit.checks import chance
from training.audit.checks.asked import Question, asking
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.checks.edits import nobody
from training.audit.checks.subject import Subject
from training.audit.checks.worlds import with_impossible_rows, with_online
from training.audit.finding import Finding
from training.config import POPULARITY, TOWERS
from training.egress import Leaves, Status
from training.messages import ARRAYS, FIELDS, HELLO, PLACES, RECEIPTS

STEPS = 2
PLAN = DpSgdPlan(clip_norm=0.3, noise_multiplier=4.0, sampling_rate=0.1, steps=STEPS)
NOISE, TARGET = 40.0, 8.0  # within the caps that the silos were made with

RECORDS = "records"
WHALE = 6_000  # events, more than a silo keeps of a customer
REFUSED = 99  # a round beyond every plan
FALSE_ALARM = 1e-9

Captured = dict[tuple[str, ...], Any]


def egress_of_a_run() -> list[Finding]:
    """Every field of every reply: declared, and if public then bit-identical on all three worlds.

    Silos have online events too. The third world has a customer more, whose rows are impossible, and
    thousands that are not, also of what nobody else has bought.
    """
    worlds = {
        "one customer": with_online(bench().neighbour),
        "impossible rows and a whale": with_impossible_rows(with_online(bench()), sound=WHALE),
    }
    everything = dict(_replies(with_online(bench())))
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
    return [*found, _none("replies are refusals", _refusals(everything)), _replies_of_nobody(), *_of_nobody()]


def _replies_of_nobody() -> Finding:
    """A silo in which nobody is answers like any other: its statuses are those of one customer's silo."""
    replies = dict(_replies(_with_nobody(bench().copy()), silos=1))
    return _none("replies of a silo in which nobody is are refusals", _refusals(replies))


def _with_nobody(world: Bench) -> Bench:
    folder = world.federation.silo_configs()[0].folder
    for name in ("interactions", "customers"):
        pq.write_table(pq.read_table(folder / f"{name}.parquet").slice(0, 0), folder / f"{name}.parquet")
    return world


def _of_nobody() -> list[Finding]:
    """A silo without a customer: it answers like any other, and what it sends is all noise."""
    world = bench()
    subject, plan = Subject(world, edit=nobody), plan_of(world)
    refused, odds = list[str](), 1.0
    for name in (*SUMS, TOWERS):
        try:
            values = next(subject.steps(plan, STEPS)) if name == TOWERS else subject.release(name, plan)
        except ThousandFacesError:
            refused.append(name)
            continue
        std = PLAN.noise_std if name == TOWERS else plan.release(name).noise_std
        odds = min(odds, chance.of_variance(values.astype(np.float64) / std))
    words = f"noise of a silo without a customer is of its size by chance {odds:.2g}"
    return [
        _none("sums are refused where there is no customer", refused),
        Finding("egress", odds >= FALSE_ALARM, odds, FALSE_ALARM, words),
    ]


def _undeclared(replies: Captured) -> list[str]:
    records = {key[-1] for key in replies if key[-2] == RECORDS} - {FIELDS, ARRAYS}
    names = {key[-1] for key in replies if key[-2] != RECORDS and not _may_leave(key[-1])}
    return sorted(records | names)


def _different(one: Captured, other: Captured) -> list[str]:
    keys = sorted(one.keys() | other.keys())
    return [" ".join(key) for key in keys if one.get(key) != other.get(key)]


def _refusals(replies: Captured) -> list[str]:
    """Replies that are refusals, and those to what has to be refused if they say more than their code."""
    told = [" ".join(key) for key, value in replies.items() if key[-1] == "status" and _is_odd(key, value)]
    return told + [
        " ".join(key) for key, value in replies.items() if key[2] == str(REFUSED) and _says(key, value)
    ]


def _is_odd(key: tuple[str, ...], status: str) -> bool:
    return status != (Status.PLAN_REFUSED if key[2] == str(REFUSED) else Status.OK)


def _says(key: tuple[str, ...], value: Any) -> bool:
    """Whether a field of a refusal is no echo of what was asked."""
    echo = {"stage": key[1], "round": int(key[2]), "status": Status.PLAN_REFUSED}
    return key[-2] != RECORDS and key[-1] != "silo" and echo.get(key[-1]) != value


def _copied(one: Captured, other: Captured) -> list[str]:
    sums = [key for key in one.keys() & other.keys() if _is_sum(key) and one[key].shape == other[key].shape]
    return [" ".join(key) for key in sums if np.mean(one[key] == other[key]) > 0.01]


def _form(value: Any) -> tuple[str, ...]:
    """What a message shows of a value apart from the value: its type, and an array's shape and numbers."""
    return (type(value).__name__, str(getattr(value, "shape", "")), str(getattr(value, "dtype", "")))


def _none(what: str, found: list[str]) -> Finding:
    examples = f" ({', '.join(found[:3])})" if found else ""
    return Finding("egress", not found, len(found), 0, f"{len(found)} {what}{examples}")


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
    return [(HELLO, 0), (PLACES, 0), *sums, *steps, (f"train.{POPULARITY}", REFUSED), (RECEIPTS, 0)]


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
