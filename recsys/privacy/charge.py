"""What a release costs and who asked for it, before any noise is drawn."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from recsys.errors import LedgerError
from recsys.privacy import checks
from recsys.privacy.events import RELATION, UNIT, PrivacyEvent
from recsys.privacy.ledger_provenance import code_hash, dependency_hash, installed_version
from recsys.privacy.ledger_schema import PURPOSE_PATTERN

ACCOUNTANT = "dp_accounting PLD, pessimistic"
NOISE_SOURCE = "AES-256-CTR keyed by the operating system, Box-Muller float64, released float32"


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
    trials: among how many trainings this one's result was chosen; each of them has a charge of its own
    window, retention: which period the data are of, and how long what was released is kept
    config_hash: SHA-256 of the run's configuration; parents: hashes of the models that it went on from
    max_silos_per_person: in how many silos a person's records may be used under this plan
    silos: names of the plan's silos; plan_events: all that the plan promises to spend in each of them. What
        is shown of a person's epsilon comes from these, whatever a configuration says later
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
    trials: int = 1
    window: str | None = None
    retention: str | None = None
    config_hash: str | None = None
    parents: tuple[str, ...] = ()
    max_silos_per_person: int | None = None
    silos: tuple[str, ...] = ()
    plan_events: tuple[PrivacyEvent, ...] = ()

    def __post_init__(self) -> None:
        checks.delta_value(self.delta)
        checks.positive("clip_norm", self.clip_norm)
        checks.count("trials", self.trials)
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
        if not re.match(PURPOSE_PATTERN, self.purpose):
            raise LedgerError(
                f"charge: purpose {self.purpose!r} is no short code such as training or evaluation; "
                "caps by purpose go by it"
            )
        if self.approver is not None and same_person(self.approver, self.requester):
            raise LedgerError(
                f"charge: '{self.requester}' cannot approve their own request; ask someone else"
            )

    def columns(self) -> dict[str, str | int | float | None]:
        """The charge as the ledger's columns: numbers apart, all else as canonical JSON in `details`."""
        numbers = {name: getattr(self, name) for name in ("delta", "clip_norm", "divisor")}
        apart = {*numbers, "silo", "event"}
        details = {name: value for name, value in asdict(self).items() if name not in apart}
        details |= {
            "accountant_version": installed_version("dp-accounting"),
            "code_version": installed_version(),
        }
        details |= {"code_hash": code_hash(), "dependency_hash": dependency_hash()}
        return {**asdict(self.event), **numbers, "details": to_json(details)}


@dataclass(frozen=True)
class Receipt:
    """What leaves a silo for the coordinator's mirror: that a charge was made, nothing about customers.

    kind: reserve, commit or void; row, hash: of that row in the silo's ledger; reservation: the charge's row;
    steps_done: for commit, how many steps ran (the whole reservation is charged all the same); reason: for
    void, why the release was given up; time: of the reservation, in whole seconds, whatever the kind, so that
    it does not follow how long a computation took; silos, max_silos_per_person, plan_events: of the plan,
    left out by older silos.
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
    reason: str | None = None
    silos: tuple[str, ...] = ()
    max_silos_per_person: int | None = None
    plan_events: tuple[PrivacyEvent, ...] = ()

    def to_json(self) -> str:
        """Canonical JSON, for a message."""
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Receipt:
        """The receipt that `to_json` wrote; LedgerError if the text is none."""
        try:
            fields = json.loads(text)
            events = tuple(PrivacyEvent(**event) for event in fields.get("plan_events", ()))
            fields |= {"plan_events": events, "silos": tuple(fields.get("silos", ()))}
            return cls(**{**fields, "event": PrivacyEvent(**fields["event"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LedgerError(f"this is no receipt: {error}; ask the silo to send it again") from error


def same_receipt(one: Receipt, other: Receipt) -> bool:
    """Whether both are of one row with one content; releases differ in the time, and in what they add."""
    return _as_old(one) == _as_old(other)


def _as_old(receipt: Receipt) -> Receipt:
    return replace(receipt, time="", silos=(), max_silos_per_person=None, plan_events=())


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return one.strip().casefold() == other.strip().casefold()


def to_json(value: dict[str, Any]) -> str:
    """Canonical JSON: sorted keys, no spaces. LedgerError for NaN, infinities and what is no JSON."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError) as error:
        raise LedgerError(f"the ledger keeps plain JSON: {error}; give numbers, words and lists") from error
