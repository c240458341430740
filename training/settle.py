"""After the stages: collect what every silo was charged, mirror it, and compare it with the promise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from recsys.privacy import accountant
from recsys.privacy.charged import Charged, events_of
from recsys.privacy.claim import planned, statement
from recsys.privacy.ledger import Ledger, Receipt
from recsys.privacy.person import Person, person_of
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.registry_entry import registry_entry
from recsys.privacy.statement import DataKind, PrivacyStatement
from training.assurance import differences
from training.lifetimes import remember
from training.messages import RECEIPTS, Reply
from training.session import Session

STATEMENT, SPENT, REGISTRY_ENTRY = "statement.json", "spent.json", "registry_entry.json"

Charges = Sequence[Charged]


def settle(session: Session, kind: DataKind) -> dict[str, Any]:
    """What the run and the ledgers' lifetimes cost, by silo and for the worst-off person, from events alone.

    `void` in it lists how what ran differs from what was assumed (`training.assurance`), and so does the
    statement; a run with such a difference must not be published.
    A silo that does not answer counts with all that is known of it (`training.lifetimes`) and the most that
    it can have been charged since: the whole plan once for each attempt at the run. One that says less than
    is known of it counts with what is known; both are `unconfirmed_silos`, and the latter are named in
    `shortened_ledgers` too. Made once per run: `spent.json`, and the privacy statement beside it.
    """
    with session.stage("receipts"):
        if not session.folder.has(SPENT):
            spent, stated = _collect(session, kind)
            session.folder.write_json(STATEMENT, stated.to_dict())
            session.folder.write_json(REGISTRY_ENTRY, _entry(session, stated))
            session.folder.write_json(SPENT, spent)
        return session.folder.read_json(SPENT)


def _collect(session: Session, kind: DataKind) -> tuple[dict[str, Any], PrivacyStatement]:
    plan, replies = session.plan, session.rounds.ask_all(RECEIPTS)
    mirror = Ledger(session.folder.ledger)
    known = remember(session.config.output, replies)
    unconfirmed = sorted(set(plan.registered_customers) - set(replies))
    most = dict.fromkeys(unconfirmed, planned(plan, session.folder.run_id) * session.attempt)
    receipts = {silo: mirror_receipts(mirror, reply) for silo, reply in replies.items()}
    void = differences(plan, session.rounds.received, receipts)
    run = {silo: _charged(plan, found) for silo, found in receipts.items()} | most
    lifetime = {silo: known.charged[silo] for silo in replies}
    lifetime |= {silo: known.charged.get(silo, []) + spent for silo, spent in most.items()}
    heads = {silo: str(reply.fields["ledger_head"]) for silo, reply in replies.items()}
    # A ledger that says less than it once did confirms nothing of its silo's lifetime.
    unconfirmed = sorted({*unconfirmed, *known.shortened})
    spent = _epsilons(plan, run, lifetime) | {"unconfirmed_silos": unconfirmed, "ledger_heads": heads}
    spent |= {"shortened_ledgers": list(known.shortened)}
    stated = statement(
        plan,
        lifetime,
        data_kind=kind,
        heads=heads,
        void=void,
        unconfirmed_silos=unconfirmed,
        silo_rule=session.silo_rule,
    )
    return spent | {"void": void}, stated


def _entry(session: Session, stated: PrivacyStatement) -> dict[str, Any]:
    model = f"{session.config.model_name}, run {session.folder.run_id}"
    return registry_entry(stated, model=model, published=session.folder.created_at.date())


def mirror_receipts(mirror: Ledger, reply: Reply) -> list[Receipt]:
    """Keep a silo's receipts of this run in the coordinator's ledger; returns them."""
    receipts = [Receipt.from_json(text) for text in json.loads(str(reply.fields["receipts"]))]
    for receipt in receipts:
        mirror.mirror(receipt)
    return receipts


def _charged(plan: PrivacyPlan, receipts: Sequence[Receipt]) -> list[Charged]:
    """What a silo's receipts say that it was charged in this run, counted under the run's own plan."""
    silos, most, promised = frozenset(plan.registered_customers), plan.max_silos_per_person, plan.events()
    reserved = (receipt for receipt in receipts if receipt.kind == "reserve")
    return [Charged(receipt.run_id, receipt.event, silos, most, promised) for receipt in reserved]


def _person(plan: PrivacyPlan, spent: Mapping[str, Charges]) -> Person:
    return person_of(spent, plans={frozenset(plan.registered_customers): plan.max_silos_per_person})


def _epsilons(
    plan: PrivacyPlan, run: Mapping[str, Charges], lifetime: Mapping[str, Charges]
) -> dict[str, Any]:
    person, ever = _person(plan, run).epsilon(plan.delta), _person(plan, lifetime)
    return {
        "target_epsilon": plan.target_epsilon,
        "delta": plan.delta,
        "max_silos_per_person": ever.max_silos_per_person,
        "plan_fingerprint": plan.fingerprint(),
        "person_epsilon": person,
        "within_target": person <= plan.target_epsilon,
        "person_epsilon_lifetime": ever.epsilon(plan.delta),
        "silos_not_given": list(ever.not_given),
        "silos": {silo: _account(plan, run[silo], lifetime[silo]) for silo in sorted(run)},
    }


def _account(plan: PrivacyPlan, run: Charges, lifetime: Charges) -> dict[str, float]:
    return {
        "epsilon": accountant.epsilon(events_of(run), plan.delta),
        "epsilon_lifetime": accountant.epsilon(events_of(lifetime), plan.delta),
        "reservations": len(run),
    }
