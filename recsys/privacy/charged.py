"""One reservation as accounts see it: what was spent, in which run, and under which plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recsys.errors import LedgerError
from recsys.privacy.events import PrivacyEvent


@dataclass(frozen=True)
class Charged:
    """A reservation's event, and what its row recorded of the plan; all of it public.

    run_id: the run that it was made in, the same in every silo
    silos: names of the plan's silos; empty in rows from before they were recorded
    max_silos_per_person: in how many of them a person's records were used; None if not recorded
    plan_events: all that the plan promised to spend in each of them; empty if not recorded
    """

    run_id: str
    event: PrivacyEvent
    silos: frozenset[str] = frozenset()
    max_silos_per_person: int | None = None
    plan_events: tuple[PrivacyEvent, ...] = ()

    @classmethod
    def from_details(cls, event: PrivacyEvent, details: Mapping[str, Any]) -> Charged:
        """From the event and the words of a row, or of a receipt. LedgerError if they are no such words."""
        try:
            return cls(str(details["run_id"]), event, **_plan_of(details))
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerError(
                f"a row's record of its plan is not readable ({error}); see 'budget verify'"
            ) from error


def events_of(charged: Sequence[Charged]) -> tuple[PrivacyEvent, ...]:
    """The events alone."""
    return tuple(one.event for one in charged)


def united(one: Sequence[Charged], other: Sequence[Charged]) -> list[Charged]:
    """All charges of two accounts of one silo, where each names a charge once; what both hold counts once.

    Charges are one if they say the same; what says nothing of its plan or its run (older releases wrote so)
    may be any that says the rest, and the one that says more is kept.

    Guarantee: at least the charges of each of the two.
    """
    found, left = list(one), Counter(one)
    unmatched = list((Counter(other) - left).elements())
    left -= Counter(other)
    for charge in sorted(unmatched, key=lambda charge: (not charge.silos, not charge.run_id)):
        if near := next((known for known in left if left[known] > 0 and _may_be_one(known, charge)), None):
            left[near] -= 1
            if (bool(charge.silos), bool(charge.run_id)) > (bool(near.silos), bool(near.run_id)):
                found[found.index(near)] = charge
        else:
            found.append(charge)
    return found


def _may_be_one(one: Charged, other: Charged) -> bool:
    runs = one.run_id == other.run_id or not (one.run_id and other.run_id)
    plans = not (one.silos and other.silos) or _plan(one) == _plan(other)
    return one.event == other.event and runs and plans


def to_report(charged: Sequence[Charged]) -> dict[str, Any]:
    """JSON-ready: `events` as releases before plans were recorded wrote them, and beside it what those skip.

    runs: run id of each event; plans: each recorded plan once; plan_of: each event's plan, by its place there
    """
    recorded = [_plan(one) for one in charged]
    plans = [plan for number, plan in enumerate(recorded) if plan not in recorded[:number]]
    return {
        "events": [asdict(one.event) for one in charged],
        "runs": [one.run_id for one in charged],
        "plans": plans,
        "plan_of": [plans.index(plan) for plan in recorded],
    }


def from_report(report: Mapping[str, Any]) -> list[Charged]:
    """What `to_report` wrote, by this release or an older one. LedgerError if it is no such report."""
    try:
        events = [PrivacyEvent(**event) for event in report["events"]]
        if "runs" not in report:
            return [Charged("", event) for event in events]
        plans = [_plan_of(plan) for plan in report["plans"]]
        rows = zip(events, report["runs"], report["plan_of"], strict=True)
        return [Charged(str(run), event, **plans[number]) for event, run, number in rows]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise LedgerError(f"this is no report of a ledger's charges: {error}; ask the silo again") from error


def _plan(charged: Charged) -> dict[str, Any]:
    return {
        "silos": sorted(charged.silos),
        "max_silos_per_person": charged.max_silos_per_person,
        "plan_events": [asdict(event) for event in charged.plan_events],
    }


def _plan_of(details: Mapping[str, Any]) -> dict[str, Any]:
    silos, most = details.get("silos", ()), details.get("max_silos_per_person")
    if not isinstance(silos, list | tuple) or not all(isinstance(silo, str) for silo in silos):
        raise ValueError(f"silos {silos!r}")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise ValueError(f"max_silos_per_person {most!r}")
    return {
        "silos": frozenset(silos),
        "max_silos_per_person": most,
        "plan_events": tuple(PrivacyEvent(**event) for event in details.get("plan_events", ())),
    }
