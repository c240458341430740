"""The privacy ledger of one silo: reserve before noise is drawn, commit after release, never refund.

Guarantee: at any moment, however processes die, the events in the ledger cover every release that can have
left the silo, and their exact composition at the cap's delta is at most the cap. Unit and relation are each
row's own. It assumes that noise is drawn only under a reservation, which the training code's contract tests
hold it to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from recsys.errors import BudgetExceededError, LedgerError, PlanError
from recsys.privacy import accountant, checks
from recsys.privacy.chain import Chain, Verification
from recsys.privacy.charge import Charge, Receipt, to_json
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger_rows import Cap, Row, read_cap, read_charged, read_receipt, read_row
from recsys.privacy.plan import PrivacyPlan

__all__ = ["Cap", "Charge", "Ledger", "Receipt", "Row", "Verification", "planned_charge"]


class Ledger:
    """An append-only, hash-chained file of privacy events: one in each silo, a mirror at the coordinator."""

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        self._chain = Chain(path, create=create)
        self._checked = False

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self._chain.path

    def owner(self) -> str | None:
        """The silo whose charges this ledger holds; None if there are none yet."""
        with self._chain.reading() as connection:
            found = connection.execute("SELECT silo FROM rows WHERE kind = 'reserve' LIMIT 1").fetchone()
        return None if found is None else str(found["silo"])

    def set_cap(self, epsilon: float, delta: float, *, requester: str = "silo configuration") -> None:
        """Record the silo's cap; the last one recorded holds. The same cap again adds no row."""
        cap = Cap(checks.positive("epsilon cap", epsilon), checks.delta_value(delta))
        with self._chain.writing() as connection:
            if read_cap(connection) != cap:
                details = to_json({"requester": requester})
                self._chain.append(connection, "cap", "", cap=cap.epsilon, delta=cap.delta, details=details)

    def cap(self) -> Cap | None:
        """The cap that holds now, if one was ever set."""
        with self._chain.reading() as connection:
            return read_cap(connection)

    def reserve(self, charge: Charge) -> int:
        """Charge before noise is drawn; returns the reservation's number once it is durable on the disk.

        All past events are composed with this one in one transaction, so that processes cannot overspend
        together. BudgetExceededError if that exceeds the cap; LedgerError without a cap, for another silo's
        charge or if the ledger is damaged. A reservation that is never committed stays spent.
        """
        self._refuse_if_damaged()
        if self.owner() not in (None, charge.silo):
            raise LedgerError(f"{self.path}: is '{self.owner()}'s ledger; give silo '{charge.silo}' its own")
        with self._chain.writing() as connection:
            cap = read_cap(connection)
            if cap is None:
                raise LedgerError(f"{self.path}: no cap is set; the silo's owner sets one with set_cap")
            spent = read_charged(connection)
            if not accountant.within([*spent, charge.event], cap.epsilon, cap.delta):
                raise _exceeded(charge, cap, spent)
            row = self._chain.append(connection, "reserve", charge.silo, **charge.columns())
        return int(row["id"])

    def commit(self, reservation: int, steps_done: int) -> Receipt:
        """Record that the reserved release left, with the steps that really ran (0 to those reserved).

        Never refunds: noise drawn and thrown away may have been seen, so the reservation is charged whole.
        LedgerError if there is no such open reservation, or more steps ran than were reserved.
        """
        if isinstance(steps_done, bool) or not isinstance(steps_done, int) or steps_done < 0:
            raise LedgerError(f"{self.path}: steps_done is {steps_done!r}; give the number of steps that ran")
        return self._close("commit", reservation, steps_done, {})

    def void(self, reservation: int, reason: str) -> Receipt:
        """Record that a reserved release was given up. It stays spent: nothing is ever refunded."""
        return self._close("void", reservation, None, {"reason": reason})

    def events(self, *, include_reserved: bool = True) -> tuple[PrivacyEvent, ...]:
        """The events charged, one for each reservation (a mirror's too), those never committed among them.

        `include_reserved=False` leaves the never-committed out: for display only, never for a claim.
        """
        rows = self.rows()
        committed = {row.reservation for row in rows if row.kind == "commit"}
        own = [row for row in rows if row.kind == "reserve" and (include_reserved or row.id in committed)]
        mirrored = [event for events in self.mirrored().values() for event in events]
        return (*(row.event for row in own if row.event), *mirrored)

    def epsilon(self, delta: float) -> float:
        """What this silo has spent: all charged events composed (pessimistic), never a sum of epsilons."""
        return accountant.epsilon(self.events(), delta)

    def open_reservations(self) -> tuple[Row, ...]:
        """Reservations neither committed nor voided: a run in progress, or one that died and stays spent."""
        rows = self.rows()
        closed = {row.reservation for row in rows if row.kind in ("commit", "void")}
        return tuple(row for row in rows if row.kind == "reserve" and row.id not in closed)

    def receipts(self, *, after: int = 0, run_id: str | None = None) -> tuple[Receipt, ...]:
        """What the coordinator's mirror is sent: rows numbered above `after`, of one run if asked."""
        with self._chain.reading() as connection:
            sent = connection.execute(
                "SELECT * FROM rows WHERE kind IN ('reserve', 'commit', 'void') AND id > ? ORDER BY id",
                [after],
            ).fetchall()
            found = [read_receipt(connection, row) for row in sent]
        return tuple(receipt for receipt in found if run_id in (None, receipt.run_id))

    def mirror(self, receipt: Receipt) -> bool:
        """Keep a silo's receipt at the coordinator; returns False if it was there already (nothing is added).

        LedgerError if the silo once sent another receipt for the same row: its ledger was rewritten.
        """
        numbers = {name: getattr(receipt, name) for name in ("delta", "clip_norm", "divisor", "reservation")}
        with self._chain.writing() as connection:
            if self._has_receipt(connection, receipt):
                return False
            self._chain.append(
                connection,
                "receipt",
                receipt.silo,
                **numbers,
                **vars(receipt.event),
                source=receipt.hash,
                details=receipt.to_json(),
            )
        return True

    def mirrored(self) -> dict[str, tuple[PrivacyEvent, ...]]:
        """The events of each silo whose receipts this ledger keeps: one for each reservation of the silo."""
        charges = {(r.silo, r.reservation): r.event for r in self.rows() if r.kind == "receipt" and r.event}
        silos = sorted({silo for silo, _ in charges})
        return {silo: tuple(e for (owner, _), e in charges.items() if owner == silo) for silo in silos}

    def rows(self) -> tuple[Row, ...]:
        """Every row, in order."""
        return tuple(read_row(row) for row in self._chain.all_rows())

    def head(self) -> str:
        """The last row's hash: export it (run, statement), so that a cut tail is seen by `verify`."""
        return self._chain.head()

    def verify(self, known_heads: Iterable[str] = ()) -> Verification:
        """Whether the chain is whole and holds these exported heads; see `Chain.verify`."""
        return self._chain.verify(known_heads)

    def _close(self, kind: str, reservation: int, steps: int | None, details: dict[str, str]) -> Receipt:
        with self._chain.writing() as connection:
            charged = self._chain.row(connection, reservation)
            self._refuse_to_close(connection, charged, steps or 0)
            row = self._chain.append(
                connection,
                kind,
                charged["silo"],
                reservation=reservation,
                steps=steps,
                details=to_json(details),
            )
            return read_receipt(connection, row)

    def _refuse_to_close(self, connection: sqlite3.Connection, charged: sqlite3.Row, steps: int) -> None:
        number = charged["id"]
        if charged["kind"] != "reserve":
            raise LedgerError(
                f"{self.path}: row {number} is no reservation; give the number that reserve gave"
            )
        closing = "SELECT kind FROM rows WHERE kind IN ('commit', 'void') AND reservation = ?"
        if closed := connection.execute(closing, [number]).fetchone():
            raise LedgerError(
                f"{self.path}: reservation {number} has its {closed['kind']}; reserve anew for more"
            )
        if steps > charged["steps"]:
            raise LedgerError(
                f"{self.path}: {steps} steps ran under reservation {number} of {charged['steps']}; "
                "stop the run: it has released more than was charged"
            )

    def _refuse_if_damaged(self) -> None:
        """Once for each object: rows taken away earlier must not make room for new spending."""
        if not self._checked:
            verified = self.verify()
            if not verified.ok:
                raise LedgerError(f"{self.path}: {verified.problem}; restore it before spending more")
            self._checked = True

    def _has_receipt(self, connection: sqlite3.Connection, receipt: Receipt) -> bool:
        kept = connection.execute(
            "SELECT details FROM rows WHERE kind = 'receipt' AND silo = ? AND reservation = ?",
            [receipt.silo, receipt.reservation],
        ).fetchall()
        for earlier in [Receipt.from_json(row["details"]) for row in kept]:
            if earlier == receipt:
                return True
            if earlier.row == receipt.row or earlier.event != receipt.event:
                raise LedgerError(
                    f"{self.path}: silo '{receipt.silo}' sent two receipts for its reservation "
                    f"{receipt.reservation}; its ledger was rewritten, compare it with this mirror"
                )
        return False


def planned_charge(
    plan: PrivacyPlan,
    mechanism: str,
    *,
    silo: str,
    run_id: str,
    purpose: str,
    requester: str,
    snapshot_hmac: str,
    approver: str | None = None,
    steps: int | None = None,
) -> Charge:
    """A mechanism's charge, every number taken from the plan; `steps` for a block of the towers' steps."""
    towers = plan.dpsgd if plan.dpsgd is not None and mechanism == plan.dpsgd.name else None
    if towers is None and steps not in (None, 1):
        raise PlanError(f"{mechanism} releases once, not in {steps} steps; only the towers have steps")
    return Charge(
        silo=silo,
        run_id=run_id,
        purpose=purpose,
        mechanism=mechanism,
        event=plan.release(mechanism).event if towers is None else towers.event(steps),
        delta=plan.delta,
        clip_norm=plan.release(mechanism).clip_norm if towers is None else towers.clip_norm,
        divisor=None if towers is None else plan.expected_batch(silo),
        plan_fingerprint=plan.fingerprint(),
        snapshot_hmac=snapshot_hmac,
        requester=requester,
        approver=approver,
        unit=plan.unit,
        relation=plan.relation,
    )


def _exceeded(charge: Charge, cap: Cap, spent: list[PrivacyEvent]) -> BudgetExceededError:
    before = accountant.epsilon(spent, cap.delta)
    after = accountant.epsilon([*spent, charge.event], cap.delta)
    return BudgetExceededError(
        f"silo '{charge.silo}': '{charge.mechanism}' would bring epsilon to {after:.4g} at delta "
        f"{cap.delta:g}, over the cap of {cap.epsilon:g}; spent {before:.4g}, "
        f"left {max(0.0, cap.epsilon - before):.4g}; "
        "train with fewer steps or more noise, or ask the silo's owner for a higher cap"
    )
