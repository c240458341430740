"""What receipts tell besides charges: no length of a computation, nothing that guessing opens."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from recsys.privacy import chain
from recsys.privacy.ledger import Receipt
from recsys.privacy.mechanisms import SecureNoise
from training import node
from training.audit.checks.bench import bench
from training.audit.checks.books import STEP
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import POPULARITY

LONG = 1.1  # seconds, so that whole seconds differ
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


def receipts() -> list[Finding]:
    """Times, hashes and digests of charges for equal data."""
    return [*_times(), _hashes(), _snapshots()]


def _times() -> list[Finding]:
    """Receipts of a release whose draw takes long: both say when it was reserved, in whole seconds."""
    world, real = bench(), SecureNoise.normal

    def slow(self: SecureNoise, *args: Any) -> Any:
        time.sleep(LONG)
        return real(self, *args)

    subject, plan = Subject(world), world.plan(STEP)
    request = world.request(POPULARITY, plan)
    with patch.object(SecureNoise, "normal", slow):
        told = [*subject.node.release(request).receipts, *subject.node.ledger().receipts()]
    moments = [datetime.fromisoformat(receipt.time) for receipt in told]
    apart = (max(moments) - min(moments)).total_seconds()
    finest = max(moment.microsecond for moment in moments)
    fields = {str(value) for receipt in told for value in _extra(receipt)}
    return [
        Finding("receipts", apart == 0, apart, 0, f"a draw of {LONG} s moves receipts' times by {apart:g} s"),
        Finding("receipts", finest == 0, finest, 0, f"times in receipts have {finest} microseconds"),
        Finding(
            "receipts", not fields, len(fields), 0, f"receipts have {len(fields)} fields that are not known"
        ),
    ]


KNOWN = frozenset(
    {"kind", "silo", "row", "hash", "reservation", "event", "delta", "clip_norm", "divisor", "run_id", "time"}
    | {"mechanism", "purpose", "plan_fingerprint", "unit", "relation", "steps_done", "reason", "silos"}
    | {"max_silos_per_person", "plan_events"}
)


def _extra(receipt: Receipt) -> list[str]:
    return sorted(set(vars(receipt)) - KNOWN)


def _hashes() -> Finding:
    """Two ledgers that are written alike at one moment: a hash that is the same can be guessed."""
    world = bench()
    plan = world.plan(STEP)
    # Snapshots have keys of their own: here everything else has to differ.
    with patch.object(chain, "now", lambda: MOMENT), patch.object(node, "snapshot_hmac", lambda *_: "0" * 64):
        subjects = [Subject(world), Subject(world)]
        for subject in subjects:
            subject.release(POPULARITY, plan)
        told = [{receipt.hash for receipt in subject.node.ledger().receipts()} for subject in subjects]
    same = len(told[0] & told[1])
    return Finding("receipts", not same, same, 0, f"{same} hashes of equal rows are equal and can be guessed")


def _snapshots() -> Finding:
    """Two runs over the same data: a digest that is the same says so."""
    world = bench()
    subject, plan = Subject(world), world.plan(STEP)
    for run_id in ("one", "another"):
        subject.node.release(world.request(POPULARITY, plan, run_id=run_id))
    digests = {str(row.details["snapshot_hmac"]) for row in subject.charges()}
    words = f"{len(digests)} digests of the data in 2 runs over equal data"
    return Finding("receipts", len(digests) == 2, len(digests), 2, words)
