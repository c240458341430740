"""A ledger's rules: caps, the policy of approval, and approvals, each a row of the ledger itself."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.errors import LedgerError, PlanError
from recsys.privacy import checks
from recsys.privacy import ledger_approval as approval
from recsys.privacy import ledger_limits as limits
from recsys.privacy.charge import same_person, to_json
from recsys.privacy.ledger_limits import CONFIGURATION
from recsys.privacy.ledger_reader import LedgerReader
from recsys.privacy.ledger_rows import Cap
from recsys.privacy.stores.base import Session


class RuledLedger(LedgerReader):
    """A ledger whose rules can be set; see `Ledger`."""

    def set_cap(
        self, epsilon: float, delta: float, purpose: str | None = None, *, requester: str = CONFIGURATION
    ) -> None:
        """Record the silo's cap, or that of one purpose; the last one recorded holds.

        The same cap again adds no row. Raises PlanError for numbers that are no cap.
        """
        cap = limits.checked_cap(epsilon, delta, purpose)
        if self.caps().get(purpose) == cap:
            return
        with self._chain.writing() as session:
            if limits.read_caps(session).get(purpose) != cap:
                self._append_cap(session, cap, purpose, requester)

    def set_policy(self, approval_above: float | None, *, requester: str = CONFIGURATION) -> None:
        """Record from which epsilon on a plan needs a second person's approval; see `ledger_approval`.

        Stricter at once; laxer only after somebody else has approved it, ApprovalRequiredError until then.
        """
        above = None if approval_above is None else checks.finite("approval_above", approval_above)
        if above is not None and above < 0:
            raise PlanError(f"approval_above is {above:g}; give 0 (every plan) or more, or leave it out")
        if self.approval_above() == above:
            return
        with self._chain.writing() as session:
            asked = self._policy_asked(session, above, requester)
            approver = approval.find_approver(session, asked) if asked else None
            if asked and approver is None:
                self._request(session, asked)
            else:
                words = {"approval_above": above, "requester": requester, "approver": approver}
                self._chain.append(session, "policy", "", details=to_json(words))
        if asked and approver is None:
            raise approval.refusal(asked, self.where)

    def declare(
        self,
        cap: Cap,
        *,
        purpose_caps: Mapping[str, float] | None = None,
        approval_above: float | None = None,
    ) -> None:
        """Record what the silo's configuration says, where that has changed since it was last recorded.

        A cap that somebody has set since by hand stays until the configuration says something new.
        """
        wanted = {None: cap} | {name: Cap(value, cap.delta) for name, value in (purpose_caps or {}).items()}
        wanted = {name: limits.checked_cap(c.epsilon, c.delta, name) for name, c in wanted.items()}
        with self._chain.reading() as session:
            known = limits.read_caps(session, requester=CONFIGURATION)
        if any(known.get(purpose) != value for purpose, value in wanted.items()):
            with self._chain.writing() as session:
                known = limits.read_caps(session, requester=CONFIGURATION)
                for purpose, value in wanted.items():
                    if known.get(purpose) != value:
                        self._append_cap(session, value, purpose, CONFIGURATION)
        self.set_policy(approval_above)

    def approve(self, plan_fingerprint: str, approver: str, *, epsilon: float | None = None) -> int:
        """Record a second person's approval of a plan (or of a laxer policy); returns the row's number.

        epsilon: the most that the plan may spend in all under it, at the silo's delta; no limit if left out.
        LedgerError if the approver is the only one who asked.
        """
        limit = None if epsilon is None else checks.positive("approved epsilon", epsilon)
        if not plan_fingerprint or not approver.strip():
            raise LedgerError(f"{self.where}: an approval names a plan's fingerprint and who approves it")
        asking = [r for r in self.waiting() if r.details["plan_fingerprint"] == plan_fingerprint]
        if asking and all(same_person(r.details["requester"], approver) for r in asking):
            raise LedgerError(
                f"{self.where}: '{approver}' cannot approve their own request; ask someone else"
            )
        words = {"plan_fingerprint": plan_fingerprint, "approver": approver.strip()}
        with self._chain.writing() as session:
            row = self._chain.append(session, "approve", "", cap=limit, details=to_json(words))
        return int(row["id"])

    def _append_cap(self, session: Session, cap: Cap, purpose: str | None, requester: str) -> None:
        words = {"requester": requester} | ({} if purpose is None else {"purpose": purpose})
        self._chain.append(session, "cap", "", cap=cap.epsilon, delta=cap.delta, details=to_json(words))

    def _policy_asked(self, session: Session, above: float | None, requester: str) -> approval.Asked | None:
        current, wanted = approval.read_policy(session), approval.Policy(above, 0)
        if not wanted.looser_than(current.approval_above):
            return None
        words = (("approval_above", above),)
        fingerprint = approval.policy_fingerprint(above)
        return approval.Asked("policy", fingerprint, requester, after=current.row, words=words)

    def _request(self, session: Session, asked: approval.Asked) -> None:
        if words := approval.new_request(session, asked):
            self._chain.append(session, "request", "", details=to_json(words))
