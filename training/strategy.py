"""Rounds: ask every silo, wait until the deadline, go on if a quorum answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from recsys.errors import PlanError, QuorumError, ThousandFacesError, TrainingError
from training.aggregation import well_formed
from training.egress import Status
from training.messages import HELLO, Reply, Request, Scalar, decode_reply, encode_request

_log = logging.getLogger(__name__)

WHAT_TO_DO = {
    Status.PLAN_REFUSED: "the silo's epsilon_cap, delta or registered_customers does not allow this plan",
    Status.BUDGET_EXCEEDED: "its privacy budget is used up (see 'thousandfaces budget' in the silo)",
    Status.LEDGER_UNAVAILABLE: "its privacy ledger cannot be written",
    Status.FAILED: "see the silo's own log",
}


@dataclass(frozen=True)
class Rules:
    """When a round counts: how many silos must answer, and how long the coordinator waits."""

    quorum: int
    deadline_seconds: float


class Rounds:
    """The coordinator's side of the message exchange; it holds no data and draws no noise."""

    def __init__(self, grid: Grid, rules: Rules, header: Mapping[str, Scalar], silos: frozenset[str]) -> None:
        """header: fields that travel in every request (run, attempt, plan and its fingerprint, catalogue)."""
        self._grid, self._rules, self._header = grid, rules, dict(header)
        self._nodes = self._meet(silos)

    @property
    def silos(self) -> list[str]:
        """The silos that take part."""
        return sorted(self._nodes.values())

    def sums(
        self,
        stage: str,
        *,
        length: int,
        number: int = 0,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        **fields: Scalar,
    ) -> dict[str, Reply]:
        """One round of noised sums (float32 [length]) by silo.

        A silo that answers late or malformed is left out of the round; what it released stays charged in its
        ledger. Raises QuorumError, or the refusal itself where no silo accepts the plan.
        """
        replies = self._ask(stage, Request({**self._header, **fields, "round": number}, arrays or {}))
        good = {name: reply for name, reply in replies.items() if _usable(reply, length)}
        self._check_quorum(stage, number, replies, set(good))
        return good

    def ask_all(self, stage: str) -> dict[str, Reply]:
        """A question without a release (receipts); whoever answers in time answers."""
        replies = self._ask(stage, Request({**self._header, "round": 0}))
        return {name: reply for name, reply in replies.items() if reply.status == Status.OK}

    def _meet(self, silos: frozenset[str]) -> dict[int, str]:
        nodes = {node: f"node {node}" for node in self._grid.get_node_ids()}
        replies = self._send(HELLO, Request({**self._header, "round": 0}), nodes)
        named = {node: str(reply.fields.get("silo", nodes[node])) for node, reply in replies.items()}
        known = {
            node: named[node]
            for node, reply in replies.items()
            if reply.status == Status.OK and named[node] in silos
        }
        if len(set(known.values())) < len(known):
            raise TrainingError("two nodes answer for one silo; start one node per silo")
        self._check_quorum(
            HELLO, 0, {named[node]: reply for node, reply in replies.items()}, set(known.values())
        )
        return known

    def _ask(self, stage: str, request: Request) -> dict[str, Reply]:
        replies = self._send(stage, request, self._nodes)
        return {self._nodes[node]: reply for node, reply in replies.items()}

    def _send(self, stage: str, request: Request, nodes: Mapping[int, str]) -> dict[int, Reply]:
        content = encode_request(Request({**request.fields, "stage": stage}, request.arrays))
        group = str(request.number("round"))
        messages = [Message(content, node, stage, group_id=group) for node in nodes]
        answers = self._grid.send_and_receive(messages, timeout=self._rules.deadline_seconds)
        return {answer.metadata.src_node_id: _read(answer) for answer in answers}

    def _check_quorum(self, stage: str, number: int, replies: Mapping[str, Reply], good: set[str]) -> None:
        if len(good) >= self._rules.quorum:
            return
        codes = {name: replies[name].status for name in sorted(set(replies) - good)}
        told = (
            "; ".join(f"{name}: {_advice(code)}" for name, code in codes.items()) or "no other silo answered"
        )
        message = (
            f"stage '{stage.partition('.')[2]}', round {number}: {len(good)} silos answered within "
            f"{self._rules.deadline_seconds:g} s, the quorum is {self._rules.quorum}; {told}"
        )
        raise _error_for(set(codes.values()))(message)


def _read(answer: Message) -> Reply:
    try:
        return decode_reply(answer)
    except ThousandFacesError as error:
        _log.error("node %s sent a reply that is refused: %s", answer.metadata.src_node_id, error)
        return Reply({"status": Status.FAILED})


def _usable(reply: Reply, length: int) -> bool:
    return (
        reply.status == Status.OK and reply.noised_sum is not None and well_formed(reply.noised_sum, length)
    )


def _advice(code: str) -> str:
    return f"{code} ({WHAT_TO_DO.get(Status(code), 'a malformed answer')})"


def _error_for(codes: set[str]) -> type[ThousandFacesError]:
    refused = {Status.PLAN_REFUSED, Status.BUDGET_EXCEEDED, Status.LEDGER_UNAVAILABLE}
    return PlanError if codes and codes <= refused else QuorumError
