"""All that leaves the silos in a small run, on a world and on the same world without one customer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from flwr.app import Message

from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from training import egress
from training.audit.checks.bench import SUMS, Bench, bench
from training.audit.finding import Finding
from training.client_app import app
from training.config import TOWERS
from training.egress import Leaves
from training.messages import HELLO, RECEIPTS, Request, encode_request
from training.simulate import in_process

STEPS = 2
PLAN = DpSgdPlan(clip_norm=0.3, noise_multiplier=4.0, sampling_rate=0.1, steps=STEPS)
NOISE, TARGET = 40.0, 8.0  # within the caps that the silos were made with

Captured = dict[tuple[str, ...], Any]


def egress_of_a_run() -> list[Finding]:
    """Every field of every reply: declared, and if public then bit-identical on both worlds."""
    one, other = (dict(_replies(world)) for world in (bench().copy(), bench().neighbour.copy()))
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


def plan_of(world: Bench) -> PrivacyPlan:
    """The plan of the run."""
    return world.plan(PLAN, noise_multiplier=NOISE, target=TARGET)


def _replies(world: Bench) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each field of each reply, by silo, stage and round."""
    plan = plan_of(world)
    federation = str(world.root / "federation.toml")
    silos = len(world.federation.silos)
    with in_process(app, nodes=silos, run_config={"federation": federation}) as grid:
        for stage, number in _questions():
            content = encode_request(_question(world, plan, stage, number))
            asked = [Message(content, node, stage, group_id=str(number)) for node in grid.get_node_ids()]
            for reply in grid.send_and_receive(asked):
                key = (str(reply.metadata.src_node_id), stage, str(number))
                fields: dict[str, Any] = dict(reply.content["fields"])
                arrays: dict[str, Any] = dict(reply.content["arrays"])
                yield from (((*key, name), _comparable(name, value)) for name, value in fields.items())
                yield from (((*key, name), array.numpy()) for name, array in arrays.items())


def _questions() -> list[tuple[str, int]]:
    sums = [(f"train.{name}", 0) for name in SUMS]
    return [(HELLO, 0), *sums, *((f"train.{TOWERS}", number) for number in range(STEPS)), (RECEIPTS, 0)]


def _question(world: Bench, plan: PrivacyPlan, stage: str, number: int) -> Request:
    asked = world.request(stage.partition(".")[2], plan, number=number, end=STEPS, attempt=1)
    return Request({**asked.fields, "stage": stage}, asked.arrays)


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
