"""The privacy ledger of one silo: reserve before noise is drawn, commit after release, never refund.

Guarantee: at any moment, however processes die, the events in the ledger cover every release that can have
left the silo, and their exact composition at the cap's delta is at most the cap. Unit and relation are each
row's own. It assumes that noise is drawn only under a reservation, which the training code's contract tests
hold it to, and that the ledger and its witness are not both rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys.errors import LedgerError, PlanError
from recsys.privacy import ledger_approval as approval
from recsys.privacy import ledger_limits as limits
from recsys.privacy.chain import Verification
from recsys.privacy.charge import Charge, Receipt, same_receipt, to_json
from recsys.privacy.ledger_heads import HeadMark
from recsys.privacy.ledger_reader import read_owner
from recsys.privacy.ledger_rows import Cap, Row, read_receipt, read_words
from recsys.privacy.ledger_rules import RuledLedger
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.stores.base import Record, Session

__all__ = ["Cap", "Charge", "HeadMark", "Ledger", "Receipt", "Row", "Verification", "planned_charge"]


class Ledger(RuledLedger):
    """Append-only, hash-chained privacy events: one ledger in each silo, a mirror at the coordinator.

    Open it anew for each message or command: the whole chain is verified before an object's first charge.
    """

    def __init__(self, where: Path | str, *, create: bool = True, witness: Path | None = None) -> None:
        super().__init__(where, create=create, witness=witness)
        self._checked = False

    def reserve(self, charge: Charge) -> int:
        """Charge before noise is drawn; returns the reservation's number once it is durable.

        All past events are composed with this one in one transaction, so that processes cannot overspend
        together. BudgetExceededError if that exceeds the cap of the silo or of the purpose;
        ApprovalRequiredError if the policy asks a second person, whose name the row then holds; LedgerError
        without a cap, for another silo's charge or if the ledger is damaged. A reservation that is never
        committed stays spent.
        """
        self._refuse_if_damaged()
        # Before the transaction: hashing the code takes a moment, and other writers wait meanwhile.
        values = charge.columns()
        with self._chain.writing() as session:
            self._refuse_other_silos(session, charge)
            limits.refuse_lower_bound(session, charge)
            cap = limits.refuse_over_caps(session, charge, self.where)
            asked = approval.asked_by(session, charge, cap)
            approver = approval.find_approver(session, asked) if asked else charge.approver
            if asked and approver is None:
                self._request(session, asked)
            else:
                if approver != charge.approver:
                    values = replace(charge, approver=approver).columns()
                row = self._chain.append(session, "reserve", charge.silo, **values)
        if asked and approver is None:
            raise approval.refusal(asked, self.where)
        return int(row["id"])

    def commit(self, reservation: int, steps_done: int, ran: Mapping[str, Any] | None = None) -> Receipt:
        """Record that the reserved release left, with the steps that really ran (0 to those reserved).

        ran: facts of what really ran that do not depend on the data, kept in the row.
        Never refunds: noise drawn and thrown away may have been seen, so the reservation is charged whole.
        LedgerError if there is no such open reservation, or more steps ran than were reserved.
        """
        if isinstance(steps_done, bool) or not isinstance(steps_done, int) or steps_done < 0:
            raise LedgerError(
                f"{self.where}: steps_done is {steps_done!r}; give the number of steps that ran"
            )
        return self._close("commit", reservation, steps_done, {} if ran is None else {"ran": dict(ran)})

    def void(self, reservation: int, reason: str) -> Receipt:
        """Record that a reserved release was given up. It stays spent: nothing is ever refunded.

        The reason travels in the receipt, so it must say nothing that depends on the data.
        """
        return self._close("void", reservation, None, {"reason": reason})

    def record_audit(self, silo: str, details: Mapping[str, Any]) -> int:
        """Keep an audit's result (data-independent facts and its bound) as a row; returns its number."""
        return self._note("audit", silo, details)

    def record_model(self, silo: str, details: Mapping[str, Any]) -> int:
        """Keep what was published (model hash, version, parents, run id) as a row; returns its number."""
        return self._note("model", silo, details)

    def mirror(self, receipt: Receipt) -> bool:
        """Keep a silo's receipt at the coordinator; returns False if it was there already (nothing is added).

        LedgerError if the silo once sent another receipt for the same row: its ledger was rewritten.
        """
        numbers = {name: getattr(receipt, name) for name in ("delta", "clip_norm", "divisor", "reservation")}
        with self._chain.writing() as session:
            if self._has_receipt(session, receipt):
                return False
            self._chain.append(
                session,
                "receipt",
                receipt.silo,
                **numbers,
                **vars(receipt.event),
                source=receipt.hash,
                details=receipt.to_json(),
            )
        return True

    def _note(self, kind: str, silo: str, details: Mapping[str, Any]) -> int:
        with self._chain.writing() as session:
            return int(self._chain.append(session, kind, silo, details=to_json(dict(details)))["id"])

    def _close(self, kind: str, reservation: int, steps: int | None, details: dict[str, Any]) -> Receipt:
        with self._chain.writing() as session:
            charged = self._chain.row(session, reservation)
            self._refuse_to_close(session, charged, steps or 0)
            row = self._chain.append(
                session, kind, charged["silo"], reservation=reservation, steps=steps, details=to_json(details)
            )
            return read_receipt(session, row)

    def _refuse_to_close(self, session: Session, charged: Record, steps: int) -> None:
        number = charged["id"]
        if charged["kind"] != "reserve":
            raise LedgerError(
                f"{self.where}: row {number} is no reservation; give the number that reserve gave"
            )
        closing = "SELECT kind FROM rows WHERE kind IN ('commit', 'void') AND reservation = :number"
        if closed := session.run(closing, number=number):
            raise LedgerError(
                f"{self.where}: reservation {number} has its {closed[0]['kind']}; reserve anew for more"
            )
        if steps > charged["steps"]:
            raise LedgerError(
                f"{self.where}: {steps} steps ran under reservation {number} of {charged['steps']}; "
                "stop the run: it has released more than was charged"
            )

    def _refuse_other_silos(self, session: Session, charge: Charge) -> None:
        owner = read_owner(session)
        if owner not in (None, charge.silo):
            raise LedgerError(f"{self.where}: is '{owner}'s ledger; give silo '{charge.silo}' its own")

    def _refuse_if_damaged(self) -> None:
        # Whole histories are verified once per process and then by each row's link.
        if not self._checked:
            verified = self.verify()
            if not verified.ok:
                raise LedgerError(
                    f"{self.where}: {verified.problem}; nothing was reserved; restore it before spending more"
                )
            self._checked = True

    def _has_receipt(self, session: Session, receipt: Receipt) -> bool:
        kept = session.run(
            "SELECT details FROM rows WHERE kind = 'receipt' AND silo = :silo AND reservation = :reservation",
            silo=receipt.silo,
            reservation=receipt.reservation,
        )
        for earlier in [Receipt.from_json(to_json(read_words(row))) for row in kept]:
            if same_receipt(earlier, receipt):
                return True
            if earlier.row == receipt.row or earlier.event != receipt.event:
                raise LedgerError(
                    f"{self.where}: silo '{receipt.silo}' sent two receipts for its reservation "
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
    """A mechanism's charge, every number taken from the plan.

    steps: for a block of the towers' steps, or of the rounds of a noised sum; all of them if left out.
    """
    towers = plan.dpsgd if plan.dpsgd is not None and mechanism == plan.dpsgd.name else None
    if towers is None:
        release = plan.release(mechanism)
        if not 1 <= (steps or release.rounds) <= release.rounds:
            often = "once" if release.rounds == 1 else f"{release.rounds} times"
            raise PlanError(f"{mechanism} releases {often}, not in {steps} steps; the plan says how often")
    return Charge(
        silo=silo,
        run_id=run_id,
        purpose=purpose,
        mechanism=mechanism,
        event=release.part(steps or release.rounds) if towers is None else towers.event(steps),
        delta=plan.delta,
        clip_norm=release.clip_norm if towers is None else towers.clip_norm,
        divisor=None if towers is None else plan.expected_batch(silo),
        plan_fingerprint=plan.fingerprint(),
        snapshot_hmac=snapshot_hmac,
        requester=requester,
        approver=approver,
        unit=plan.unit,
        relation=plan.relation,
        max_silos_per_person=plan.max_silos_per_person,
        silos=tuple(sorted(plan.registered_customers)),
        plan_events=plan.events(),
    )
