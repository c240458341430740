"""After a run: what the coordinator received and what the silos charged, held against the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from recsys.privacy.ledger import Receipt
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.tally import same_number


def differences(
    plan: PrivacyPlan, received: Mapping[tuple[str, str], int], receipts: Mapping[str, Sequence[Receipt]]
) -> list[str]:
    """Whatever makes the run void, a line each; [] if what ran is what was assumed.

    received: noised sums by (silo, mechanism); receipts: of this run, by silo, as the silos' ledgers gave
    them. Redone work is charged more than once, so a silo may have charged more than it sent, never less.
    Silos without receipts are not judged here: they count with the whole plan.
    """
    return [f"{silo}: {words}" for silo in sorted(receipts) for words in _of(plan, silo, received, receipts)]


def _of(
    plan: PrivacyPlan,
    silo: str,
    received: Mapping[tuple[str, str], int],
    receipts: Mapping[str, Sequence[Receipt]],
) -> Iterator[str]:
    charged = [receipt for receipt in receipts[silo] if receipt.kind == "reserve"]
    yield from (f"row {r.reservation} is void: {r.reason}" for r in receipts[silo] if r.kind == "void")
    for mechanism, event in plan.mechanisms().items():
        sent = received.get((silo, mechanism), 0)
        steps = sum(receipt.event.steps for receipt in charged if receipt.mechanism == mechanism)
        if sent > steps:
            yield f"'{mechanism}': {sent} sums were received, {steps} were charged"
        for receipt in charged:
            if receipt.mechanism == mechanism and not (
                same_number(receipt.event.noise_multiplier, event.noise_multiplier)
                and same_number(receipt.event.sampling_rate, event.sampling_rate)
            ):
                yield f"'{mechanism}': row {receipt.row} charged {receipt.event}, planned was {event}"
    for receipt in charged:
        if receipt.plan_fingerprint != plan.fingerprint():
            yield f"row {receipt.row} was charged under another plan"
