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

    Two are one if they share a mark and say the same of what was charged; one that says nothing of its plan
    (an older receipt) is the one that does. Those that share a mark and differ in what they say both count.

    Guarantee: the result holds at least the charges of each source, so no source makes another's smaller.
    """
    groups: dict[int, Reservation] = {}
    known: dict[tuple[Mark, Charged], int] = {}
    for place, one in enumerate(sorted(found, key=_rank)):
        near = sorted({known[mark, one.charged] for mark in one.marks if (mark, one.charged) in known})
        # Without a plan it is the same as one of those that have one, and says nothing of which are the same.
        near = near if one.charged.silos else near[:1]
        parts = [groups.pop(other) for other in near] + [one]
        groups[place] = replace(
            parts[0],
            marks=frozenset(mark for part in parts for mark in part.marks),
            closed=next((part.closed for part in parts if part.closed), None),
        )
        for mark in groups[place].marks:
            for said in (groups[place].charged, without_plan(groups[place].charged)):
                known[mark, said] = place
    return tuple(sorted(groups.values(), key=_rank))


def lacking(own: Sequence[Reservation], everything: Sequence[Reservation]) -> int:
    """How many of all that is proved a silo's own ledger does not hold."""
    return len(merged([*own, *everything])) - len(merged(own))


def without_plan(charged: Charged) -> Charged:
    """What a row from before plans were recorded says."""
    return replace(charged, silos=frozenset(), max_silos_per_person=None, plan_events=())


def _rank(one: Reservation) -> tuple[bool, int, list[Mark], str]:
    return not one.charged.silos, one.number, sorted(one.marks), repr(one.charged.event)
