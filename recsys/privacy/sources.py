"""The ledgers that a report is made of, and what they prove together of each silo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recsys.privacy import ledger_views as views
from recsys.privacy.chain import Verification
from recsys.privacy.ledger import Ledger, Row
from recsys.privacy.reservations import Reservation, lacking, merged
from recsys.words import counted

Reservations = Mapping[str, tuple[Reservation, ...]]


@dataclass(frozen=True)
class Source:
    """A ledger as it was given: its own reservations and those it mirrors, by the silos that rows name.

    name: what it was given under, which names a silo only while no row does
    """

    name: str
    ledger: Ledger
    rows: tuple[Row, ...]
    verified: Verification
    own: Reservations
    mirrored: Reservations


@dataclass(frozen=True)
class Sources:
    """All ledgers of a report; nothing that one of them proves is replaced by what another says."""

    given: tuple[Source, ...]

    @classmethod
    def of(cls, ledgers: Mapping[str, Ledger]) -> Sources:
        """The ledgers, read once, in an order that does not depend on how they were given."""
        found = [_source(name, ledger) for name, ledger in ledgers.items()]
        return cls(tuple(sorted(found, key=lambda one: (one.name, one.ledger.where))))

    @property
    def silos(self) -> tuple[str, ...]:
        """All silos of which a ledger is here, or receipts are."""
        return tuple(sorted({silo for one in self.given for silo in (*one.own, *one.mirrored)}))

    def own_of(self, silo: str) -> tuple[Source, ...]:
        """The silo's own ledgers, copies among them."""
        return tuple(one for one in self.given if silo in one.own)

    def holding(self, silo: str) -> tuple[Source, ...]:
        """Every source that says anything of the silo, its own ledgers first."""
        kept = (one for one in self.given if silo not in one.own and silo in one.mirrored)
        return (*self.own_of(silo), *kept)

    def proved(self, silo: str) -> tuple[Reservation, ...]:
        """Each reservation of the silo that any source proves, once.

        Guarantee: at least the charges that each single source holds.
        """
        return merged(_all_of(silo, self.given))

    def contradictions(self, silo: str) -> tuple[str, ...]:
        """A line for each of the silo's own ledgers that lacks what another source proves; that counts."""
        found = []
        for own in self.own_of(silo):
            for other in self.holding(silo):
                held = _all_of(silo, (other,))
                if other is not own and (number := lacking(own.own[silo], held)):
                    what = "ledger" if silo in other.own else "mirror"
                    found.append(
                        f"{silo}: the {what} {other.ledger.where} holds receipts of "
                        f"{counted(number, 'charge')} that the ledger {own.ledger.where} does not: "
                        "it was replaced or rewritten, or is an old copy; all of them count"
                    )
        return tuple(found)


def _all_of(silo: str, sources: tuple[Source, ...]) -> list[Reservation]:
    return [found for one in sources for kept in (one.own, one.mirrored) for found in kept.get(silo, ())]


def _source(name: str, ledger: Ledger) -> Source:
    rows = ledger.rows()
    own, mirrored = views.own_reservations(rows), views.mirrored_reservations(rows)
    return Source(name, ledger, rows, ledger.verify(), own if own or mirrored else {name: ()}, mirrored)
