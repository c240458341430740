"""What was spent and what is left, from the ledgers, silo by silo and for the worst-off person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recsys.privacy import accountant
from recsys.privacy import ledger_views as views
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Cap, Ledger, Row
from recsys.privacy.ledger_approval import waiting


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
    that is asked (0: every plan, None: never)
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


@dataclass(frozen=True)
class BudgetReport:
    """All silos' accounts, and at `delta` the epsilon of a person in the worst choice of silos."""

    silos: tuple[SiloBudget, ...]
    max_silos_per_person: int
    delta: float
    person_epsilon: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "silos": [asdict(silo) for silo in self.silos]}


def budget_report(
    ledgers: Mapping[str, Ledger],
    *,
    max_silos_per_person: int | None = None,
    delta: float = 1e-6,
    caps: Mapping[str, Cap] | None = None,
) -> BudgetReport:
    """The report over the silos' ledgers, by silo name; a mirror stands for the silos it keeps.

    max_silos_per_person: all silos if left out, which is never less. caps: configured caps, for silos whose
    ledger has none yet.

    Guarantee: each epsilon is an upper bound for the lifetime of the ledgers given; no others are counted.
    """
    sources = _sources(ledgers)
    accounts = [_account(silo, sources[silo], delta, (caps or {}).get(silo)) for silo in sorted(sources)]
    silos = max_silos_per_person or max(1, len(sources))
    spent = {silo: source.events for silo, source in sources.items()}
    return BudgetReport(tuple(accounts), silos, delta, accountant.person_epsilon(spent, silos, delta))


@dataclass(frozen=True)
class _Source:
    """Where a silo's events were read: its own ledger, or the mirror that keeps its receipts."""

    ledger: Ledger
    events: Sequence[PrivacyEvent]


def _sources(ledgers: Mapping[str, Ledger]) -> dict[str, _Source]:
    mirrored: dict[str, _Source] = {}
    own: dict[str, _Source] = {}
    for name, ledger in ledgers.items():
        rows = ledger.rows()
        kept = views.mirrored_events(rows)
        mirrored |= {silo: _Source(ledger, events) for silo, events in kept.items()}
        charged = views.own_events(rows)
        if charged or not kept:
            own[name] = _Source(ledger, charged)
    # A silo's own ledger is the authority, so it comes last.
    return mirrored | own


def _account(silo: str, source: _Source, delta: float, configured: Cap | None) -> SiloBudget:
    ledger, rows = source.ledger, source.ledger.rows()
    cap = ledger.cap() or configured
    at = cap.delta if cap else delta
    spent = accountant.epsilon(source.events, at)
    verified = ledger.verify()
    return SiloBudget(
        silo=silo,
        epsilon=spent,
        delta=at,
        cap=cap.epsilon if cap else None,
        left=max(0.0, cap.epsilon - spent) if cap else None,
        releases=len(source.events),
        open_releases=len(views.open_reservations(rows)),
        rows=verified.rows,
        head=verified.head,
        chain_ok=verified.ok,
        voided_releases=views.voided_count(rows, silo),
        purposes=_purposes(rows, ledger.caps(), at),
        waiting=tuple(row.details for row in waiting(rows)),
        approval_above=ledger.approval_above(),
    )


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
