"""All that leaves the silos in a small run, on a world and on the same world without one customer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict

from recsys.privacy.plan import RELEASES, TOWERS, DpSgdPlan, PrivacyPlan
from training import egress
from training.audit.checks.bench import Bench, bench
from training.audit.finding import Finding
from training.client_app import app
from training.egress import Leaves
from training.messages import HELLO, RECEIPTS, Request, encode_request
from training.node import node_for

STEPS = 2
PLAN = DpSgdPlan(clip_norm=0.3, noise_multiplier=4.0, sampling_rate=0.1, steps=STEPS)
NOISE = 40.0

Captured = dict[tuple[str, ...], Any]


def egress_of_a_run() -> list[Finding]:
    """Every field of every reply: declared, and if public then bit-identical on both worlds."""
    try:
        one, other = (dict(_replies(world)) for world in (bench(), bench().neighbour))
    finally:
        node_for.cache_clear()
    undeclared = sorted({key[-1] for key in one | other if not _may_leave(key[-1])})
    facts = [{key: value for key, value in found.items() if _is_fact(key)} for found in (one, other)]
    told = sorted(key for key in facts[0].keys() | facts[1].keys() if facts[0].get(key) != facts[1].get(key))
    failed = sorted(key for key, value in one.items() if key[-1] == "status" and value != "ok")
    copied = [key for key in one if _is_sum(key) and np.mean(one[key] == other.get(key)) > 0.01]
    return [
        _none("fields leave undeclared", undeclared),
        _none("public fields tell one customer", [" ".join(key) for key in told]),
        _none("replies are refusals", [" ".join(key) for key in failed]),
        _none("sums are alike on both worlds", [" ".join(key) for key in copied]),
    ]


def _none(what: str, found: list[str]) -> Finding:
    examples = f" ({', '.join(found[:3])})" if found else ""
    return Finding("egress", not found, len(found), 0, f"{len(found)} {what}{examples}")


def _replies(world: Bench) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each field of each reply, by silo, stage and round."""
    plan = world.plan(PLAN, noise_multiplier=NOISE)
    for silo, path in enumerate(world.federation.silos):
        own = {"silo-config": str(path), "federation": str(world.root / "federation.toml")}
        context = Context(1, 2 + silo, dict(own), RecordDict(), {})
        for stage, number in _questions():
            reply = app(_message(world, plan, stage, number), context)
            fields, arrays = reply.content["fields"], reply.content["arrays"]
            key = (path.parent.name, stage, str(number))
            yield from (((*key, name), _comparable(name, value)) for name, value in dict(fields).items())
            yield from (((*key, name), array.numpy()) for name, array in dict(arrays).items())


def _questions() -> list[tuple[str, int]]:
    sums = [(f"train.{name}", 0) for name in RELEASES]
    return [(HELLO, 0), *sums, *((f"train.{TOWERS}", number) for number in range(STEPS)), (RECEIPTS, 0)]


def _message(world: Bench, plan: PrivacyPlan, stage: str, number: int) -> Message:
    asked = world.request(stage.partition(".")[2], plan, number=number, end=STEPS, attempt=1)
    content = encode_request(Request({**asked.fields, "stage": stage}, asked.arrays))
    message = Message(content, 2, stage, group_id=str(number))
    message.metadata.__dict__["_message_id"] = f"{stage}/{number}"
    return message


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
