"""After the stages: collect what every silo was charged, mirror it, and compare it with the promise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recsys.privacy import accountant
from recsys.privacy.ledger import Ledger, Receipt
from recsys.privacy.plan import PrivacyEvent, PrivacyPlan
from training.messages import RECEIPTS, Reply
from training.session import Session

REPORT = "report.json"

Events = list[PrivacyEvent]


def settle(session: Session) -> dict[str, Any]:
    """What the run and the ledgers' lifetimes cost, by silo and for the worst-off person, from events alone.

    A silo that no longer answers counts with the most that it can have been charged: the whole plan once for
    each attempt at the run.
    """
    with session.stage("receipts"):
        replies = session.rounds.ask_all(RECEIPTS)
        mirror = Ledger(session.folder.ledger)
        charged = {silo: mirror_receipts(mirror, reply) for silo, reply in replies.items()}
        unconfirmed = sorted(set(session.rounds.silos) - set(replies))
        most = list(session.plan.events()) * session.attempt
        run = charged | dict.fromkeys(unconfirmed, most)
        lifetime = {silo: _lifetime(reply) for silo, reply in replies.items()} | dict.fromkeys(unconfirmed, most)
        return _epsilons(session.plan, run, lifetime) | {"unconfirmed_silos": unconfirmed}


def mirror_receipts(mirror: Ledger, reply: Reply) -> Events:
    """Keep a silo's receipts in the coordinator's ledger; returns the events that they charge."""
    receipts = [Receipt.from_json(text) for text in json.loads(str(reply.fields["receipts"]))]
    for receipt in receipts:
        mirror.mirror(receipt)
    return [receipt.event for receipt in receipts if receipt.kind == "reserve"]


def _lifetime(reply: Reply) -> Events:
    return [PrivacyEvent(**event) for event in json.loads(str(reply.fields["events"]))["events"]]


def _epsilons(plan: PrivacyPlan, run: Mapping[str, Events], lifetime: Mapping[str, Events]) -> dict[str, Any]:
    person = accountant.person_epsilon(run, plan.max_silos_per_person, plan.delta)
    return {
        "target_epsilon": plan.target_epsilon,
        "delta": plan.delta,
        "unit": plan.unit,
        "relation": plan.relation,
        "max_silos_per_person": plan.max_silos_per_person,
        "plan_fingerprint": plan.fingerprint(),
        "person_epsilon": person,
        "within_target": person <= plan.target_epsilon,
        "person_epsilon_lifetime": accountant.person_epsilon(lifetime, plan.max_silos_per_person, plan.delta),
        "silos": {
            silo: {
                "epsilon": accountant.epsilon(run[silo], plan.delta),
                "epsilon_lifetime": accountant.epsilon(lifetime[silo], plan.delta),
                "reservations": len(run[silo]),
            }
            for silo in sorted(run)
        },
    }
