"""Reading a ledger: what was charged, what waits, what holds, and whether the rows are whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recsys.errors import LedgerError
from recsys.privacy import accountant, ledger_approval, ledger_limits
from recsys.privacy import ledger_views as views
from recsys.privacy.chain import Chain, Verification
from recsys.privacy.charge import Receipt
from recsys.privacy.charged import Charged
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_heads import HeadMark
from recsys.privacy.ledger_rows import Cap, Row, read_receipt, read_row
from recsys.privacy.stores.base import Session, open_store


class LedgerReader:
    """A ledger as a reader sees it; `Ledger` adds what writes.

    where: a SQLite file, or `postgresql://user@host/database?schema=NAME` (`thousandfaces` if left out)
    create: make it if there is none; otherwise a missing one is a LedgerError
    witness: the file that keeps the heads, see `ledger_heads`; `<file>.heads` when left out, none for a URL
    """

    def __init__(self, where: Path | str, *, create: bool = True, witness: Path | None = None) -> None:
        self._chain = Chain(where, create=create, witness=witness)

    @staticmethod
    def exists(where: Path | str) -> bool:
        """Whether there is a ledger yet; LedgerError if its database cannot be reached."""
        return open_store(where).exists()

    @property
    def where(self) -> str:
        """What names it in messages and commands: its path, or its URL without the password."""
        return self._chain.where

    @property
    def path(self) -> Path:
        """The SQLite file; LedgerError for a ledger in PostgreSQL."""
        if self._chain.path is None:
            raise LedgerError(f"{self.where}: is no file; use the database's own tools to copy it")
        return self._chain.path

    def owner(self) -> str | None:
        """The silo whose charges this ledger holds; None if there are none yet."""
        with self._chain.reading() as session:
            return read_owner(session)

    def cap(self, purpose: str | None = None) -> Cap | None:
        """The cap that holds now for everything, or for one purpose, if one was ever set."""
        return self.caps().get(purpose)

    def caps(self) -> dict[str | None, Cap]:
        """Every cap that holds now, by purpose; the silo's own, over everything, under None."""
        with self._chain.reading() as session:
            return ledger_limits.read_caps(session)

    def approval_above(self) -> float | None:
        """The policy: plans above this epsilon need a second person (0: all, None: none)."""
        with self._chain.reading() as session:
            return ledger_approval.read_policy(session).approval_above

    def waiting(self) -> tuple[Row, ...]:
        """The requests for approval that nobody else has answered."""
        return ledger_approval.waiting(self.rows())

    def events(self, *, include_reserved: bool = True) -> tuple[PrivacyEvent, ...]:
        """The events charged, one for each reservation (a mirror's too), those never committed among them.

        `include_reserved=False` leaves the never-committed out: for display only, never for a claim.
        """
        return views.charged_events(self.rows(), include_reserved=include_reserved)

    def charges(self) -> tuple[Charged, ...]:
        """The reservations that `events` counts, with what their rows recorded of run and plan."""
        rows = self.rows()
        mirrored = (one for charged in views.mirrored_charges(rows).values() for one in charged)
        return (*views.own_charges(rows), *mirrored)

    def epsilon(self, delta: float) -> float:
        """What this silo has spent: all charged events composed (pessimistic), never a sum of epsilons."""
        return accountant.epsilon(self.events(), delta)

    def open_reservations(self) -> tuple[Row, ...]:
        """Reservations neither committed nor voided: a run in progress, or one that died and stays spent."""
        return views.open_reservations(self.rows())

    def voided(self) -> tuple[Row, ...]:
        """Reservations that were given up (`void`); they stay spent."""
        return views.voided_reservations(self.rows())

    def receipts(self, *, after: int = 0, run_id: str | None = None) -> tuple[Receipt, ...]:
        """What the coordinator's mirror is sent: rows numbered above `after`, of one run if asked."""
        with self._chain.reading() as session:
            sent = session.run(
                "SELECT * FROM rows WHERE kind IN ('reserve', 'commit', 'void') AND id > :after ORDER BY id",
                after=after,
            )
            found = [read_receipt(session, row) for row in sent]
        return tuple(receipt for receipt in found if run_id in (None, receipt.run_id))

    def mirrored(self) -> dict[str, tuple[PrivacyEvent, ...]]:
        """The events of each silo whose receipts this ledger keeps: one for each reservation of the silo."""
        return views.mirrored_events(self.rows())

    def rows(self) -> tuple[Row, ...]:
        """Every row, in order."""
        return tuple(read_row(row) for row in self._chain.all_rows())

    def head(self) -> str:
        """The last row's hash: export it (run, statement), so that a cut tail is seen by `verify`."""
        return self._chain.head().hash

    def head_mark(self) -> HeadMark:
        """The last row's number and hash: `verify` can name the row where a ledger departs from it."""
        return self._chain.head()

    def verify(self, known_heads: Iterable[str | HeadMark] = ()) -> Verification:
        """Whether the chain is whole and holds these exported heads; see `Chain.verify`."""
        return self._chain.verify(known_heads)


def read_owner(session: Session) -> str | None:
    """The silo whose charges the ledger holds; None if there are none yet."""
    found = session.run("SELECT silo FROM rows WHERE kind = 'reserve' LIMIT 1")
    return str(found[0]["silo"]) if found else None
