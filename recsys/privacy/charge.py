"""What a release costs and who asked for it, before any noise is drawn."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from recsys.errors import LedgerError
from recsys.privacy import checks
from recsys.privacy.events import RELATION, UNIT, PrivacyEvent

ACCOUNTANT = "dp_accounting PLD, pessimistic"
NOISE_SOURCE = "AES-256-CTR keyed by the operating system, Box-Muller float64, released float32"


def code_version() -> str:
    """The installed version of this product."""
    return version("thousandfaces")


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One mechanism's block of steps in one silo, as the ledger records it. Raises PlanError or LedgerError.

    silo: whose customers' data is read          run_id, purpose: which run, and what for
    mechanism: popularity, towers, ...           event: what is accounted (noise, rate, steps)
    delta: at which the run's promise is made    clip_norm: L2 bound of one customer's contribution
    divisor: the public number that the sum is divided by, None for a plain sum
    plan_fingerprint: `PrivacyPlan.fingerprint()`
    snapshot_hmac: keyed HMAC of the data read (`recsys.privacy.snapshot`); the key never leaves the silo
    requester, approver: two different people; approver None where the silo's rules ask for none
    """

    silo: str
    run_id: str
    purpose: str
    mechanism: str
    event: PrivacyEvent
    delta: float
    clip_norm: float
    divisor: float | None
    plan_fingerprint: str
    snapshot_hmac: str
    requester: str
    approver: str | None = None
    unit: str = UNIT
    relation: str = RELATION
    noise_source: str = NOISE_SOURCE
    accountant: str = ACCOUNTANT
    consent: str = "training"

    def __post_init__(self) -> None:
        checks.delta_value(self.delta)
        checks.positive("clip_norm", self.clip_norm)
        if self.divisor is not None:
            checks.positive("divisor", self.divisor)
        for name in (
            "silo",
            "run_id",
            "purpose",
            "mechanism",
            "plan_fingerprint",
            "snapshot_hmac",
            "requester",
        ):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise LedgerError(f"charge: {name} is empty; the ledger records it for every release")
        if self.approver is not None and self.approver == self.requester:
            raise LedgerError(
                f"charge: '{self.requester}' cannot approve their own request; ask someone else"
            )

    def columns(self) -> dict[str, str | int | float | None]:
        """The charge as the ledger's columns: numbers apart, all else as canonical JSON in `details`."""
        numbers = {name: getattr(self, name) for name in ("delta", "clip_norm", "divisor")}
        apart = {*numbers, "silo", "event"}
        details = {name: value for name, value in asdict(self).items() if name not in apart}
        details |= {"code_version": code_version(), "accountant_version": version("dp-accounting")}
        return {**asdict(self.event), **numbers, "details": to_json(details)}


@dataclass(frozen=True)
class Receipt:
    """What leaves a silo for the coordinator's mirror: that a charge was made, nothing about customers.

    kind: reserve, commit or void; row, hash: of that row in the silo's ledger; reservation: the charge's row;
    steps_done: for commit, how many steps ran (the whole reservation is charged all the same).
    """

    kind: str
    silo: str
    row: int
    hash: str
    reservation: int
    event: PrivacyEvent
    delta: float
    clip_norm: float
    divisor: float | None
    run_id: str
    mechanism: str
    purpose: str
    plan_fingerprint: str
    unit: str
    relation: str
    time: str
    steps_done: int | None = None

    def to_json(self) -> str:
        """Canonical JSON, for a message."""
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Receipt:
        """The receipt that `to_json` wrote; LedgerError if the text is none."""
        try:
            fields = json.loads(text)
            return cls(**{**fields, "event": PrivacyEvent(**fields["event"])})
        except (ValueError, TypeError, KeyError) as error:
            raise LedgerError(f"this is no receipt: {error}; ask the silo to send it again") from error


def to_json(value: dict[str, Any]) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
