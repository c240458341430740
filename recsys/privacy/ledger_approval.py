"""Approval by a second person, where the ledger's policy asks for it.

A policy is one number: plans whose epsilon (at the silo's delta) is above it need the approval of somebody
other than their requester; 0 asks for every plan, None for none. It is a row of the ledger, so taking the
line out of silo.toml does not drop it: making it laxer needs a second person too.

Guarantee: under a policy no charge of such a plan is reserved without an `approve` row by another name. It
protects against one person's mistake or haste and leaves a trace. Names are not authenticated, caps may be
raised by one person, and many small plans stay below the number together: the caps alone bound those.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from recsys.errors import ApprovalRequiredError
from recsys.privacy import accountant
from recsys.privacy.charge import Charge, same_person, to_json
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_limits import read_charged_to_plan
from recsys.privacy.ledger_rows import Cap, Row
from recsys.privacy.stores.base import Session


@dataclass(frozen=True)
class Policy:
    """The number above which plans need a second person (None: never), and the row that says so (0: none)."""

    approval_above: float | None
    row: int

    def looser_than(self, other: float | None) -> bool:
        """Whether this one asks for less than a policy of `other` would."""
        return _strictness(self.approval_above) > _strictness(other)


@dataclass(frozen=True)
class Asked:
    """What needs a second person: a plan or a policy, by fingerprint, and who asks.

    charged: for a plan, what it promises to spend and what it will have spent with this charge, each to be
    within an approval's limit at `delta`; after: only approvals in later rows count; words: what the request
    tells whoever is to approve.
    """

    subject: str
    fingerprint: str
    requester: str
    charged: tuple[tuple[PrivacyEvent, ...], ...] = ()
    delta: float = 0.5
    after: int = 0
    words: tuple[tuple[str, Any], ...] = ()


def read_policy(session: Session) -> Policy:
    """The policy that holds: the last one recorded."""
    rows = session.run("SELECT id, details FROM rows WHERE kind = 'policy' ORDER BY id DESC LIMIT 1")
    return (
        Policy(json.loads(rows[0]["details"])["approval_above"], rows[0]["id"]) if rows else Policy(None, 0)
    )


def policy_fingerprint(approval_above: float | None) -> str:
    """What stands for a policy where an approval names a plan's fingerprint: SHA-256 (hex)."""
    return hashlib.sha256(to_json({"approval_above": approval_above}).encode()).hexdigest()


def asked_by(session: Session, charge: Charge, cap: Cap) -> Asked | None:
    """What of this charge needs a second person under the policy; None if nothing does."""
    above = read_policy(session).approval_above
    if above is None:
        return None
    so_far = (*read_charged_to_plan(session, charge.plan_fingerprint), charge.event)
    charged = tuple(events for events in (so_far, charge.plan_events) if events)
    over = [events for events in charged if above == 0 or not accountant.within(events, above, cap.delta)]
    if not over:
        return None
    epsilon = max(accountant.epsilon(events, cap.delta) for events in over)
    words = {"run_id": charge.run_id, "purpose": charge.purpose, "epsilon": epsilon, "delta": cap.delta}
    return Asked(
        subject="plan",
        fingerprint=charge.plan_fingerprint,
        requester=charge.requester,
        charged=charged,
        delta=cap.delta,
        words=tuple(words.items()),
    )


def find_approver(session: Session, asked: Asked) -> str | None:
    """Who approved this, for somebody else's request and within the approval's limit; None if nobody did."""
    for row in _approvals(session, asked.fingerprint, asked.after):
        approver, limit = str(json.loads(row["details"])["approver"]), row["cap"]
        within = limit is None or all(accountant.within(e, limit, asked.delta) for e in asked.charged)
        if within and not same_person(approver, asked.requester):
            return approver
    return None


def new_request(session: Session, asked: Asked) -> dict[str, Any] | None:
    """The details of a request's row; None if that person's request waits already."""
    answered = [row["id"] for row in _approvals(session, asked.fingerprint, asked.after)]
    for row in session.run(
        "SELECT details FROM rows WHERE kind = 'request' AND id > :after", after=max([asked.after, *answered])
    ):
        words = json.loads(row["details"])
        if words["plan_fingerprint"] == asked.fingerprint and words["requester"] == asked.requester:
            return None
    names = {"subject": asked.subject, "plan_fingerprint": asked.fingerprint, "requester": asked.requester}
    return {**names, **dict(asked.words)}


def refusal(asked: Asked, where: str) -> ApprovalRequiredError:
    """The error that says whose approval is missing, and how to give it."""
    epsilon = dict(asked.words).get("epsilon")
    why = "" if epsilon is None else f" (epsilon {epsilon:.4g} at delta {asked.delta:g})"
    return ApprovalRequiredError(
        f"{where}: {asked.subject} {asked.fingerprint}{why} needs a second person; nothing was reserved; "
        f"somebody other than '{asked.requester}' runs: thousandfaces budget approve "
        f"--plan {asked.fingerprint} --by NAME --ledger '{where}'"
    )


def waiting(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The requests that nobody else has answered since."""
    approvals = [row for row in rows if row.kind == "approve"]
    return tuple(
        request
        for request in rows
        if request.kind == "request" and not any(_answers(approval, request) for approval in approvals)
    )


def _answers(approval: Row, request: Row) -> bool:
    same_plan = approval.details["plan_fingerprint"] == request.details["plan_fingerprint"]
    by_another = not same_person(approval.details["approver"], request.details["requester"])
    return approval.id > request.id and same_plan and by_another


def _approvals(session: Session, fingerprint: str, after: int) -> list[dict[str, Any]]:
    rows = session.run(
        "SELECT id, cap, details FROM rows WHERE kind = 'approve' AND id > :after ORDER BY id DESC",
        after=after,
    )
    return [row for row in rows if json.loads(row["details"])["plan_fingerprint"] == fingerprint]


def _strictness(approval_above: float | None) -> float:
    return math.inf if approval_above is None else approval_above
