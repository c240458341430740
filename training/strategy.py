"""Rounds: ask every silo, wait until the deadline, go on if a quorum answered."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from recsys.errors import (
    ApprovalRequiredError,
    BudgetExceededError,
    PlanError,
    QuorumError,
    ThousandFacesError,
    TrainingError,
    VoidReleaseError,
)
from recsys.words import counted
from training.aggregation import well_formed
from training.egress import Status
from training.messages import HELLO, Reply, Request, Scalar, decode_reply, encode_request

POLL_SECONDS = 0.2

_log = logging.getLogger(__name__)

WHAT_TO_DO: dict[str, str] = {
    Status.PLAN_REFUSED: "the silo's epsilon_cap, delta, registered_customers or max_silos_per_person "
    "does not allow this plan",
    Status.BUDGET_EXCEEDED: "its privacy budget is used up (see 'thousandfaces budget' in the silo)",
    Status.LEDGER_UNAVAILABLE: "its privacy ledger cannot be written",
    Status.APPROVAL_REQUIRED: "a second person must approve the plan there: thousandfaces budget approve",
    Status.VOID_RELEASE: "what ran there was not what was charged; see its ledger and its own log",
    Status.CATALOGUE_DIFFERS: "its catalogue is not the coordinator's; give both the same catalogue file",
    Status.FAILED: "see the silo's own log",
}


@dataclass(frozen=True)
class Rules:
    """When a round counts: how many silos must answer, and how long the coordinator waits."""

    quorum: int
    deadline_seconds: float


class Rounds:
    """The coordinator's side of the message exchange; it holds no data and draws no noise."""

    def __init__(self, grid: Grid, rules: Rules, header: Mapping[str, Scalar]) -> None:
        """header: public fields that travel in every request.

        missed: rounds missed, by silo; received: noised sums received, by silo and stage
        """
        self._grid, self._rules, self._header = grid, rules, dict(header)
        self._nodes: dict[int, str] = {}
        self._greetings: dict[str, Reply] = {}
        self.missed: Counter[str] = Counter()
        self.received: Counter[tuple[str, str]] = Counter()

    @property
    def silos(self) -> list[str]:
        """The silos that take part."""
        return sorted(self._nodes.values())

    def meet(self, silos: frozenset[str]) -> None:
        """Learn which node answers for which silo. Raises QuorumError if too few answer in time."""
        nodes = {node: f"node {node}" for node in self._connected(len(silos))}
        replies = self._send(HELLO, Request({**self._header, "round": 0}), nodes)
        named = {node: str(reply.fields.get("silo", nodes[node])) for node, reply in replies.items()}
        met = {
            node: name for node, name in named.items() if replies[node].status == Status.OK and name in silos
        }
        if len(set(met.values())) < len(met):
            raise TrainingError("two nodes answer for one silo; start one node per silo")
        by_name = {named[node]: reply for node, reply in replies.items()}
        self._nodes, self._greetings = met, {name: by_name[name] for name in met.values()}
        self._check_quorum(HELLO, 0, by_name, set(met.values()), self._rules.quorum)

    def announce(self, **fields: Scalar) -> None:
        """Let these public fields (the plan and its fingerprint) travel in every request from now on."""
        self._header.update(fields)

    def with_ordering(self, ordering: str) -> list[str]:
        """The silos whose interactions are ordered in this way, as they declared when they were met."""
        return [name for name in self.silos if self._greetings[name].fields.get("ordering") == ordering]

    def sums(
        self,
        stage: str,
        *,
        length: int,
        number: int = 0,
        among: Sequence[str] | None = None,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        **fields: Scalar,
    ) -> dict[str, NDArray[np.float32]]:
        """One round of noised sums (float32 [length]) by silo; `among` limits it to some silos.

        A silo that answers late or malformed is left out of the round; what it released stays charged in its
        ledger. Raises QuorumError, PlanError where the silos refuse to spend, ApprovalRequiredError where
        they wait for a second person, and VoidReleaseError where a silo's own counts differ from its charge:
        nothing of such a build can be relied on, so the run ends.
        """
        nodes = {node: name for node, name in self._nodes.items() if among is None or name in among}
        asked = {**self._header, **fields, "stage": stage, "round": number}
        request = Request(asked, arrays or {})
        replies = self._ask(stage, request, nodes)
        _refuse_void(stage, number, replies)
        good = {name: reply.noised_sum for name, reply in replies.items() if _usable(reply, request, length)}
        self.received.update((name, stage.partition(".")[2]) for name in good)
        self._check_quorum(stage, number, replies, set(good), min(self._rules.quorum, len(nodes)))
        self.missed.update(set(nodes.values()) - set(good))
        return {name: values for name, values in good.items() if values is not None}

    def ask_all(self, stage: str) -> dict[str, Reply]:
        """A question without a release (receipts); whoever answers in time answers."""
        replies = self._ask(stage, Request({**self._header, "round": 0}), self._nodes)
        return {name: reply for name, reply in replies.items() if reply.status == Status.OK}

    def _connected(self, wanted: int) -> list[int]:
        """The nodes there are, once there are enough of them or the deadline has passed."""
        deadline = time.monotonic() + self._rules.deadline_seconds
        nodes = list(self._grid.get_node_ids())
        while len(nodes) < wanted and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            nodes = list(self._grid.get_node_ids())
        return nodes

    def _ask(self, stage: str, request: Request, nodes: Mapping[int, str]) -> dict[str, Reply]:
        replies = self._send(stage, request, nodes)
        return {nodes[node]: reply for node, reply in replies.items()}

    def _send(self, stage: str, request: Request, nodes: Mapping[int, str]) -> dict[int, Reply]:
        content = encode_request(Request({**request.fields, "stage": stage}, request.arrays))
        group = str(request.number("round"))
        outgoing = [Message(content, node, stage, group_id=group) for node in nodes]
        answers = self._grid.send_and_receive(outgoing, timeout=self._rules.deadline_seconds)
        replies = {answer.metadata.src_node_id: _read(answer) for answer in answers}
        return {node: reply for node, reply in replies.items() if node in nodes}

    def _check_quorum(
        self, stage: str, number: int, replies: Mapping[str, Reply], good: set[str], quorum: int
    ) -> None:
        if len(good) >= quorum:
            return
        left_out = {name: replies[name] for name in sorted(set(replies) - good)}
        told = "; ".join(f"{name}: {_advice(reply)}" for name, reply in left_out.items())
        message = (
            f"stage '{stage.partition('.')[2]}', round {number}: {counted(len(good), 'silo')} answered well "
            f"within {self._rules.deadline_seconds:g} s, the quorum is {quorum}; "
            f"{told or 'no other silo answered'}"
        )
        raise _error_for({reply.status for reply in left_out.values()})(message)


def _read(answer: Message) -> Reply:
    try:
        return decode_reply(answer)
    except ThousandFacesError as error:
        _log.error("node %s sent a reply that is refused: %s", answer.metadata.src_node_id, error)
        return Reply({"status": Status.FAILED})


def _usable(reply: Reply, request: Request, length: int) -> bool:
    echoed = all(reply.fields.get(name) == request.fields[name] for name in ("stage", "round"))
    sound = reply.noised_sum is not None and well_formed(reply.noised_sum, length)
    return reply.status == Status.OK and echoed and sound


def _advice(reply: Reply) -> str:
    advice = WHAT_TO_DO.get(reply.status, "its answer was malformed")
    left = f", epsilon left {reply.fields['epsilon_left']:.4g}" if "epsilon_left" in reply.fields else ""
    return f"{reply.status} ({advice}{left})"


def _refuse_void(stage: str, number: int, replies: Mapping[str, Reply]) -> None:
    void = sorted(name for name, reply in replies.items() if reply.status == Status.VOID_RELEASE)
    if void:
        raise VoidReleaseError(
            f"stage '{stage.partition('.')[2]}', round {number}: void in {', '.join(void)}: "
            f"{WHAT_TO_DO[Status.VOID_RELEASE]}; the run is void"
        )


def _error_for(codes: set[str]) -> type[ThousandFacesError]:
    if codes == {Status.BUDGET_EXCEEDED}:
        return BudgetExceededError
    if Status.APPROVAL_REQUIRED in codes:
        return ApprovalRequiredError
    refused = {Status.PLAN_REFUSED, Status.BUDGET_EXCEEDED, Status.LEDGER_UNAVAILABLE}
    return PlanError if codes and codes <= refused else QuorumError
