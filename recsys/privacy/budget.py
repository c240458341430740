"""What was spent and what is left, from the ledgers' rows, silo by silo and for the worst-off person.

Guarantee: every epsilon, delta, bound and count comes from rows; a configured cap stands in only where no row
holds one, and is marked. So a file that is edited afterwards changes nothing that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recsys.privacy import accountant
from recsys.privacy import ledger_views as views
from recsys.privacy.charged import events_of
from recsys.privacy.ledger import Cap, Ledger, Row
from recsys.privacy.ledger_approval import waiting
from recsys.privacy.person import person_of
from recsys.privacy.sources import Source, Sources


@dataclass(frozen=True)
class PurposeBudget:
    """What was spent on one purpose, at the delta of its cap (of the silo's, if it has none of its own)."""

    purpose: str
    epsilon: float
    delta: float
    cap: float | None
    left: float | None


@dataclass(frozen=True)
class SiloBudget:
    """One silo's account at its cap's delta. `left` is the cap minus what was spent; None without a cap.

    releases: reservations, of which `open_releases` were never closed, and `voided_releases` were given up
    (both are spent all the same). purposes: only for a silo's own ledger. waiting: requests for a second
    person's approval, each what the ledger's row says of it. approval_above: from which epsilon of a plan on
    that is asked (0: every plan, None: never); cap_recorded: False for a configured cap that no row holds;
    contradictions: a line for each of the silo's own ledgers that lacks what another source proves
    """

    silo: str
    epsilon: float
    delta: float
    cap: float | None
    left: float | None
    releases: int
    open_releases: int
    rows: int
    head: str
    chain_ok: bool
    voided_releases: int = 0
    purposes: tuple[PurposeBudget, ...] = ()
    waiting: tuple[dict[str, Any], ...] = ()
    approval_above: float | None = None
    cap_recorded: bool = True
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True)
class FederationBudget:
    """Silos that rows name together, in how many of them a person counts, and which ledgers are not here."""

    silos: tuple[str, ...]
    max_silos_per_person: int
    not_given: tuple[str, ...]


@dataclass(frozen=True)
class BudgetReport:
    """All silos' accounts, and at `delta` the epsilon of a person in the worst choice of silos.

    max_silos_per_person: in how many silos such a person counts, over all federations; not_given: silos that
    rows name and whose ledgers are not here, counted with a bound on what they spent
    """

    silos: tuple[SiloBudget, ...]
    max_silos_per_person: int
    delta: float
    person_epsilon: float
    federations: tuple[FederationBudget, ...] = ()
    not_given: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def budget_report(
    ledgers: Mapping[str, Ledger],
    *,
    max_silos_per_person: int | None = None,
    delta: float = 1e-6,
    caps: Mapping[str, Cap] | None = None,
) -> BudgetReport:
    """The report over the silos' ledgers, by silo name; a mirror proves what the silos it keeps were charged.

    A silo is called as its rows call it, whatever name it is given under. Its own ledgers, their copies and
    all mirrors are merged by reservation: each counts once, and one that the silo's own ledger lacks counts
    too and is a contradiction (see `recsys.privacy.sources`).
    max_silos_per_person: at least so many, and all silos if neither it nor any row says how many. caps:
    configured caps, for silos whose ledger has none yet. PlanError for fewer silos than rows recorded.

    Guarantee: each epsilon is an upper bound for the lifetime of the ledgers given, and never less than what
    any of them proves. The person's covers silos that their rows name too (see `recsys.privacy.person`):
    leaving a ledger out does not make it smaller.
    """
    sources = Sources.of(ledgers)
    accounts = [_account(silo, sources, delta, caps or {}) for silo in sources.silos]
    charged = {silo: [one.charged for one in sources.proved(silo)] for silo in sources.silos}
    person = person_of(charged, at_least=max_silos_per_person)
    return BudgetReport(
        silos=tuple(accounts),
        max_silos_per_person=max(person.max_silos_per_person, max_silos_per_person or 1),
        delta=delta,
        person_epsilon=person.epsilon(delta),
        federations=tuple(
            FederationBudget(one.silos, one.max_silos_per_person, one.not_given) for one in person.federations
        ),
        not_given=person.not_given,
    )


def _account(silo: str, sources: Sources, default: float, caps: Mapping[str, Cap]) -> SiloBudget:
    own = sources.own_of(silo)
    # Of several own ledgers the strictest cap is shown, and each epsilon at the least of their deltas.
    main = min(own, key=_strictness) if own else sources.holding(silo)[0]
    recorded = main.ledger.cap() if own else None
    configured = next((caps[one.name] for one in own if one.name in caps), None)
    cap, at = recorded or configured, _delta(silo, sources, default, configured)
    proved = sources.proved(silo)
    events = events_of([one.charged for one in proved])
    spent = accountant.epsilon(events, at)
    return SiloBudget(
        silo=silo,
        epsilon=spent,
        delta=at,
        cap=cap.epsilon if cap else None,
        left=max(0.0, cap.epsilon - spent) if cap else None,
        releases=len(events),
        open_releases=sum(one.closed is None for one in proved),
        rows=main.verified.rows,
        head=main.verified.head,
        chain_ok=all(one.verified.ok for one in sources.holding(silo)),
        voided_releases=sum(one.closed == "void" for one in proved),
        purposes=_purposes(main.rows, main.ledger.caps(), at) if own else (),
        waiting=tuple(row.details for one in own for row in waiting(one.rows)),
        approval_above=main.ledger.approval_above() if own else None,
        cap_recorded=recorded is not None or cap is None,
        contradictions=sources.contradictions(silo),
    )


def _strictness(source: Source) -> tuple[float, int]:
    cap = source.ledger.cap()
    return cap.epsilon if cap else math.inf, -len(source.rows)


def _delta(silo: str, sources: Sources, default: float, configured: Cap | None) -> float:
    """The recorded cap's; without one the least that a row was charged at, and else the configured cap's."""
    if caps := [cap for one in sources.own_of(silo) if (cap := one.ledger.cap())]:
        return min(cap.delta for cap in caps)
    rows = [row for one in sources.holding(silo) for row in one.rows if row.event and row.silo == silo]
    recorded = [row.delta for row in rows if row.delta is not None]
    return min(recorded, default=configured.delta if configured else default)


def _purposes(
    rows: tuple[Row, ...], caps: Mapping[str | None, Cap], delta: float
) -> tuple[PurposeBudget, ...]:
    events = views.events_by_purpose(rows)
    found = []
    for purpose in sorted({*events, *(name for name in caps if name is not None)}):
        cap = caps.get(purpose)
        at = cap.delta if cap else delta
        spent = accountant.epsilon(events.get(purpose, ()), at)
        left = max(0.0, cap.epsilon - spent) if cap else None
        found.append(PurposeBudget(purpose, spent, at, cap.epsilon if cap else None, left))
    return tuple(found)
