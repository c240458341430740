"""What a charge must fit under: the silo's cap over everything, and the cap of its purpose over that purpose.

Guarantee: a charge that passes leaves the composition of all events, and of its purpose's events, at or below
their caps at their deltas. It assumes that the caller holds the ledger's one writing transaction.
"""

from __future__ import annotations

import json
import re
from typing import Any

from recsys.errors import BudgetExceededError, LedgerError, PlanError
from recsys.privacy import accountant, checks
from recsys.privacy.charge import Charge
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_rows import Cap, read_event
from recsys.privacy.ledger_schema import PURPOSE_PATTERN
from recsys.privacy.stores.base import Session

CONFIGURATION = "silo configuration"


def checked_cap(epsilon: float, delta: float, purpose: str | None) -> Cap:
    """The cap if its numbers are some; PlanError or, for the purpose's name, LedgerError otherwise."""
    if purpose is not None and not re.match(PURPOSE_PATTERN, purpose):
        raise LedgerError(f"purpose {purpose!r} is no short code; use one such as training or evaluation")
    return Cap(checks.positive("epsilon cap", epsilon), checks.delta_value(delta))


def read_caps(session: Session, *, requester: str | None = None) -> dict[str | None, Cap]:
    """The last cap recorded for each purpose, the silo's own under None; of one requester's if asked."""
    caps: dict[str | None, Cap] = {}
    for row in session.run("SELECT cap, delta, details FROM rows WHERE kind = 'cap' ORDER BY id"):
        words = json.loads(row["details"])
        if requester in (None, words.get("requester")):
            caps[words.get("purpose")] = Cap(row["cap"], row["delta"])
    return caps


def read_charged(session: Session) -> list[PrivacyEvent]:
    """All events ever reserved, equal ones counted together."""
    rows = session.run(
        "SELECT noise_multiplier, sampling_rate, CAST(sum(steps) AS BIGINT) AS steps FROM rows "
        "WHERE kind = 'reserve' GROUP BY noise_multiplier, sampling_rate"
    )
    return [read_event(row) for row in rows]


def read_charged_to_plan(session: Session, fingerprint: str) -> list[PrivacyEvent]:
    """The events reserved under this plan."""
    return [event for event, words in _charges(session) if words["plan_fingerprint"] == fingerprint]


def read_charged_for_purpose(session: Session, purpose: str) -> list[PrivacyEvent]:
    """The events reserved for this purpose; those of old rows that name no short code count for every one."""
    named = [(event, str(words["purpose"])) for event, words in _charges(session)]
    return [event for event, name in named if name == purpose or not re.match(PURPOSE_PATTERN, name)]


def _charges(session: Session) -> list[tuple[PrivacyEvent, dict[str, Any]]]:
    rows = session.run("SELECT * FROM rows WHERE kind = 'reserve' ORDER BY id")
    return [(read_event(row), json.loads(row["details"])) for row in rows]


def refuse_over_caps(session: Session, charge: Charge, where: str) -> Cap:
    """The silo's cap. BudgetExceededError if it or the purpose's is exceeded; LedgerError without one."""
    caps = read_caps(session)
    if None not in caps:
        raise LedgerError(f"{where}: no cap is set; the silo's owner sets one with set_cap")
    _refuse_over(caps[None], read_charged(session), charge, None)
    if cap := caps.get(charge.purpose):
        _refuse_over(cap, read_charged_for_purpose(session, charge.purpose), charge, charge.purpose)
    return caps[None]


def refuse_lower_bound(session: Session, charge: Charge) -> None:
    """PlanError if persons were used in more silos before than the charge's plan allows.

    A claim composes the ledger's lifetime over the plan's `max_silos_per_person`: lowered, it would count
    earlier releases in fewer silos than they were made in.
    """
    if charge.max_silos_per_person is None:
        return
    bounds = [words.get("max_silos_per_person") for _, words in _charges(session)]
    highest = max((bound for bound in bounds if bound is not None), default=0)
    if charge.max_silos_per_person < highest:
        raise PlanError(
            f"silo '{charge.silo}': earlier releases used persons in up to {highest} silos, this plan counts "
            f"{charge.max_silos_per_person}; keep max_silos_per_person at {highest} or more"
        )


def _refuse_over(cap: Cap, spent: list[PrivacyEvent], charge: Charge, purpose: str | None) -> None:
    if accountant.within([*spent, charge.event], cap.epsilon, cap.delta):
        return
    before = accountant.epsilon(spent, cap.delta)
    after = accountant.epsilon([*spent, charge.event], cap.delta)
    of, whose = (f" for purpose '{purpose}'", f"'{purpose}'s") if purpose else ("", "the")
    raise BudgetExceededError(
        f"silo '{charge.silo}': '{charge.mechanism}' would bring epsilon{of} to {after:.4g} at delta "
        f"{cap.delta:g}, over {whose} cap of {cap.epsilon:g}; spent {before:.4g}, "
        f"left {max(0.0, cap.epsilon - before):.4g}; "
        "train with fewer steps or more noise, or ask the silo's owner for a higher cap"
    )
