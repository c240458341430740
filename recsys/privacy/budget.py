"""What was spent and what is left, from the ledgers' rows, silo by silo and for the worst-off person.

Guarantee: every epsilon, delta, bound and count comes from rows; a configured cap stands in only where no row
holds one, and is marked. So a file that is edited afterwards changes nothing that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recsys.privacy import accountant
from recsys.privacy import ledger_views as views
from recsys.privacy.charged import Charged, events_of
from recsys.privacy.ledger import Cap, Ledger, Row
from recsys.privacy.ledger_approval import waiting
from recsys.privacy.person import person_of


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
    that is asked (0: every plan, None: never); cap_recorded: False for a configured cap that no row holds
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
    """The report over the silos' ledgers, by silo name; a mirror stands for the silos it keeps.

    A silo is called as its rows call it, whatever name it is given under.
    max_silos_per_person: at least so many, and all silos if neither it nor any row says how many. caps:
    configured caps, for silos whose ledger has none yet. PlanError for fewer silos than rows recorded.

    Guarantee: each epsilon is an upper bound for the lifetime of the ledgers given. The person's covers silos
    that their rows name too (see `recsys.privacy.person`): leaving a ledger out does not make it smaller.
    """
    sources = _sources(ledgers, caps or {})
    accounts = [_account(sources[name], delta) for name in sorted(sources)]
    charged: dict[str, list[Charged]] = {}
    for source in sources.values():
        charged.setdefault(source.silo, []).extend(source.charged)
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


@dataclass(frozen=True)
class _Source:
    """Where a silo's charges were read: its own ledger, or the mirror that keeps its receipts."""

    silo: str
    ledger: Ledger
    rows: tuple[Row, ...]
    charged: tuple[Charged, ...]
    configured: Cap | None = None
    own: bool = True

    @property
    def cap(self) -> Cap | None:
        """The recorded one; a mirror holds none of the silos that it keeps."""
        return self.ledger.cap() if self.own else None


def _sources(ledgers: Mapping[str, Ledger], caps: Mapping[str, Cap]) -> dict[str, _Source]:
    mirrored: dict[str, _Source] = {}
    own: dict[str, _Source] = {}
    for name, ledger in ledgers.items():
        rows = ledger.rows()
        kept = views.mirrored_charges(rows)
        mirrored |= {silo: _Source(silo, ledger, rows, charged, own=False) for silo, charged in kept.items()}
        charged = views.own_charges(rows)
        if charged or not kept:
            silo = next((row.silo for row in rows if row.kind == "reserve"), name)
            own[silo if silo not in own else name] = _Source(silo, ledger, rows, charged, caps.get(name))
    # A silo's own ledger is the authority, so it comes last.
    return mirrored | own


def _account(source: _Source, default: float) -> SiloBudget:
    ledger, rows = source.ledger, source.rows
    cap = source.cap or source.configured
    at = _delta(source, default)
    events = events_of(source.charged)
    spent = accountant.epsilon(events, at)
    verified = ledger.verify()
    return SiloBudget(
        silo=source.silo,
        epsilon=spent,
        delta=at,
        cap=cap.epsilon if cap else None,
        left=max(0.0, cap.epsilon - spent) if cap else None,
        releases=len(events),
        open_releases=views.open_count(rows, None if source.own else source.silo),
        rows=verified.rows,
        head=verified.head,
        chain_ok=verified.ok,
        voided_releases=views.voided_count(rows, None if source.own else source.silo),
        purposes=_purposes(rows, ledger.caps(), at) if source.own else (),
        waiting=tuple(row.details for row in waiting(rows)) if source.own else (),
        approval_above=ledger.approval_above() if source.own else None,
        cap_recorded=source.cap is not None or cap is None,
    )


def _delta(source: _Source, default: float) -> float:
    """The recorded cap's; without one the least that a row was charged at, and else the configured cap's."""
    if cap := source.cap:
        return cap.delta
    rows = [row for row in source.rows if row.event and row.silo == source.silo]
    recorded = [row.delta for row in rows if row.delta is not None]
    fallback = source.configured.delta if source.configured else default
    return min(recorded, default=fallback)


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
