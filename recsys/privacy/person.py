"""What a person has lost, from ledgers' rows alone: the federations that were, and the worst choice of silos.

Rows say under which plan they were charged: its silos, in how many of them a person's records were used, and
all that it promised to spend. No file that can be edited afterwards has a part in what is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from recsys.errors import PlanError
from recsys.privacy import accountant
from recsys.privacy.charged import Charged, events_of
from recsys.privacy.events import PrivacyEvent

Silos = frozenset[str]
Spent = Mapping[str, Sequence[Charged]]
Measure = Callable[[accountant.Events, float], float]


@dataclass(frozen=True)
class Federation:
    """Silos that trained together, in how many of them a person's records were used, and what each spent.

    not_given: those of its silos whose ledgers are not here; `spent` holds a bound for each of them
    """

    silos: tuple[str, ...]
    max_silos_per_person: int
    spent: Mapping[str, tuple[PrivacyEvent, ...]]
    not_given: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """The worst-off person, who may have been in every one of these federations."""

    federations: tuple[Federation, ...]

    @property
    def max_silos_per_person(self) -> int:
        """In how many silos such a person is counted."""
        counted = sum(min(f.max_silos_per_person, len(f.silos)) for f in self.federations)
        return max(1, min(counted, len({silo for f in self.federations for silo in f.silos})))

    @property
    def not_given(self) -> tuple[str, ...]:
        """Silos that rows name and whose ledgers are not here."""
        return tuple(sorted({silo for f in self.federations for silo in f.not_given}))

    def epsilon(self, delta: float, measure: Measure = accountant.epsilon) -> float:
        """Epsilon at delta: the worst choice of silos within each federation, all composed.

        measure: `accountant.epsilon` or `accountant.rdp_epsilon`.

        Guarantee: an upper bound for one customer with all records, add or remove one, over the lifetime of
        the rows, if within each federation a person's records were used in no more silos than its rows
        recorded. Silos that are not given count with a bound, which holds if they were asked no more often
        for a run than the silo asked most.
        """
        return _worst(_few_choices(self.federations), delta, measure)


def person_of(
    spent: Spent, *, plans: Mapping[Silos, int] | None = None, at_least: int | None = None
) -> Person:
    """The person from each given silo's rows.

    Rows whose plans' silos are nested are one federation, which grew or shrank: a person was in the most
    silos that any of its rows recorded. Plans that are not nested are different federations, whose worst
    cases add, since each bound holds within its own. A silo of a plan that is not given counts as having
    spent, in each run, what the given silos and the plan spent most of. Rows from before plans' silos were
    recorded count as one federation of all silos that are known.

    plans: silos and bound of plans that count though no row may hold them; at_least: a number of silos per
    person that is not to be undercut. Raises PlanError if rows recorded more than that.
    """
    named = {silo for charged in spent.values() for one in charged for silo in one.silos}
    known = frozenset(spent) | named | {silo for silos in plans or {} for silo in silos}
    rows = {
        silo: tuple(one if one.silos else replace(one, silos=known) for one in charged)
        for silo, charged in spent.items()
    }
    everything = [one for charged in rows.values() for one in charged]
    highest = max((one.max_silos_per_person or 0 for one in everything), default=0)
    if at_least is not None and at_least < highest:
        raise PlanError(
            f"max_silos_per_person {at_least} is below the {highest} that the ledgers' rows recorded; "
            "give as many or more"
        )
    sets = {one.silos for one in everything} | set(plans or {})
    groups = _groups(sets or ({known} if known else set()))
    found = []
    for group in groups:
        of_group = {silo: [one for one in charged if one.silos in group] for silo, charged in rows.items()}
        bounds = [one.max_silos_per_person for charged in of_group.values() for one in charged]
        bounds += [most for silos, most in (plans or {}).items() if silos in group]
        recorded = max((bound for bound in bounds if bound), default=0)
        if not recorded and known in group:
            recorded = highest
        everyone = frozenset().union(*group)
        found.append(_federation(everyone, max(recorded, at_least or 0) or len(everyone), of_group))
    return Person(tuple(found))


def _groups(sets: Iterable[Silos]) -> list[list[Silos]]:
    """Sets that belong together: chains of nested ones; where such chains branch, each set for itself.

    A federation that branches says nothing about which part a smaller one became, so nothing is assumed.
    """
    linked: list[list[Silos]] = []
    for silos in sorted(sets, key=lambda one: (len(one), sorted(one))):
        touching = [group for group in linked if any(_nested(silos, other) for other in group)]
        linked = [group for group in linked if group not in touching]
        linked.append([one for group in touching for one in group] + [silos])
    groups: list[list[Silos]] = []
    for group in linked:
        chain = all(_nested(one, other) for one in group for other in group)
        groups += [group] if chain else [[one] for one in group]
    return groups


def _nested(one: Silos, other: Silos) -> bool:
    return one <= other or other <= one


def _federation(silos: Silos, bound: int, rows: Spent) -> Federation:
    here = frozenset(silos) | {silo for silo, charged in rows.items() if charged}
    spent = {silo: events_of(rows[silo]) for silo in sorted(here) if silo in rows}
    absent = tuple(sorted(here - set(rows)))
    spent |= {silo: tuple(_bound_on_absent(silo, rows)) for silo in absent}
    return Federation(tuple(sorted(here)), bound, spent, absent)


def _bound_on_absent(absent: str, rows: Spent) -> list[PrivacyEvent]:
    """A bound on what a silo spent whose ledger is not here, from what the others' rows say of each run."""
    found: list[PrivacyEvent] = []
    runs = {(one.run_id, one.silos, one.plan_events) for charged in rows.values() for one in charged}
    for run, silos, plan in runs:
        if absent in silos:
            by_silo = [
                [
                    one.event
                    for one in charged
                    if (one.run_id, one.silos, one.plan_events) == (run, silos, plan)
                ]
                for charged in rows.values()
            ]
            found += _most([plan, *by_silo])
    return found


def _most(parts: Iterable[Sequence[PrivacyEvent]]) -> list[PrivacyEvent]:
    """What composes all of any one of the parts: of each kind of step, as many as the part with most has."""
    most: dict[tuple[float, float], int] = {}
    for part in parts:
        steps: dict[tuple[float, float], int] = {}
        for event in part:
            kind = (event.noise_multiplier, event.sampling_rate)
            steps[kind] = steps.get(kind, 0) + event.steps
        most |= {kind: max(number, most.get(kind, 0)) for kind, number in steps.items()}
    return [PrivacyEvent(noise, rate, number) for (noise, rate), number in most.items()]


def _few_choices(federations: Sequence[Federation]) -> list[Federation]:
    """The same with at most `MAX_CHOICES` choices together: all silos of some federations, never less."""
    found = list(federations)
    while math.prod(map(_choices, found)) > accountant.MAX_CHOICES:
        widest = max(range(len(found)), key=lambda place: _choices(found[place]))
        found[widest] = replace(found[widest], max_silos_per_person=len(found[widest].silos))
    return found


def _choices(federation: Federation) -> int:
    silos = len(federation.silos)
    return math.comb(silos, min(silos, federation.max_silos_per_person))


def _worst(federations: Sequence[Federation], delta: float, measure: Measure) -> float:
    if not federations:
        return 0.0
    first, *rest = federations

    def with_the_rest(chosen: accountant.Events, at: float) -> float:
        own = accountant.canonical(chosen)
        return _worst(rest, at, lambda more, d: measure((*own, *accountant.canonical(more)), d))

    each = with_the_rest if rest else measure
    return accountant.person_epsilon(first.spent, first.max_silos_per_person, delta, each)
