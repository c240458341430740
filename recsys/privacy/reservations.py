"""Reservations as several ledgers prove them: each counts once, and none replaces another.

A silo's own ledger, its copies and the mirrors of every run may all hold one reservation. What tells that it
is one is the number and the hash of a row, which nobody can choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from recsys.privacy.charged import Charged

Mark = tuple[int, str]


@dataclass(frozen=True)
class Reservation:
    """A reservation that a ledger proves.

    marks: number and hash of the rows that reserved or closed it, as far as they are known; number: of the
    row that reserved it; closed: `commit`, `void` or None
    """

    number: int
    marks: frozenset[Mark]
    charged: Charged
    closed: str | None = None


def merged(found: Iterable[Reservation]) -> tuple[Reservation, ...]:
    """Each reservation once, whichever sources prove it; the order of the sources changes nothing.

    Two are one if they have one number, share a mark and say the same of what was charged; one that says
    nothing of its plan (an older receipt) is the one that does. Those that share a mark and differ in what
    they say both count.

    Guarantee: the result holds at least the charges of each source, so no source makes another's smaller.
    """
    groups: dict[int, Reservation] = {}
    known: dict[tuple[int, Mark, Charged], int] = {}
    for place, one in enumerate(sorted(found, key=_rank)):
        keys = [(one.number, mark, one.charged) for mark in one.marks]
        whole = one
        for other in sorted({known[key] for key in keys if key in known}):
            if _may_be_one(whole, groups[other]):
                whole = _joined(groups.pop(other), whole)
        groups[place] = whole
        for mark in whole.marks:
            for said in (whole.charged, without_plan(whole.charged)):
                known[whole.number, mark, said] = place
    return tuple(sorted(groups.values(), key=_rank))


def _may_be_one(one: Reservation, other: Reservation) -> bool:
    """Whether no row has two hashes and no charge two plans: else a third would make one of two."""
    plans = not (one.charged.silos and other.charged.silos) or one.charged == other.charged
    marks = one.marks | other.marks
    return plans and len({row for row, _ in marks}) == len(marks)


def _joined(one: Reservation, other: Reservation) -> Reservation:
    charged = one.charged if one.charged.silos else other.charged
    return replace(one, marks=one.marks | other.marks, charged=charged, closed=one.closed or other.closed)


def lacking(own: Sequence[Reservation], everything: Sequence[Reservation]) -> int:
    """How many of all that is proved a silo's own ledger does not hold."""
    return len(merged([*own, *everything])) - len(merged(own))


def without_plan(charged: Charged) -> Charged:
    """What a row from before plans were recorded says."""
    return replace(charged, silos=frozenset(), max_silos_per_person=None, plan_events=())


def _rank(one: Reservation) -> tuple[bool, int, list[Mark], str]:
    told = one.charged
    words = repr((told.run_id, told.event, sorted(told.silos), told.max_silos_per_person, told.plan_events))
    return not told.silos, one.number, sorted(one.marks), words
