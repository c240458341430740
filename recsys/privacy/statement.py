"""The privacy statement of a model: what is promised, to whom, on what assumptions, in words and numbers."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from recsys.words import counted

TRUST_MODEL = (
    "Each silo sees its own customers' records. Noise is added in the silo, before anything leaves it: the "
    "coordinator sees every silo's noised sums, one by one, and the public sees the model made from them."
)
PERIOD = (
    "lifetime of the ledger: every release that used a customer's record counts, whichever model it served"
)
ASSUMPTIONS = (
    "Each customer is one row of each noised sum, clipped to the bound below, whatever the number of events.",
    "Each step draws every customer by an independent coin (Poisson sampling) and adds fresh noise.",
    "Divisors and rates are public constants, registered before data was read.",
    "The ledgers were not rolled back; their heads are listed so that this can be checked.",
    "Each silo runs code that its own operator installed, or whose signature its node checks.",
    "Which silos may use a person's records is agreed once, for the ledgers' lifetime.",
    "The noise is as good as AES-256 keyed by the operating system is unpredictable.",
)
KNOWN_LIMITS = (
    "A person under several keys in one silo is protected as a group, at a multiple of this epsilon.",
    "The recommendations shown to a customer use that customer's own history; only what is shared between "
    "customers is noised (joint differential privacy).",
    "Noise is computed in floating point (Mironov 2012): values are rounded to float32 after noise is added "
    "in float64, which hides but does not prove away its gaps.",
    "Facts that hold for customers in general are learned, and apply to people who are in no silo too.",
    "The time that a computation takes is not hidden.",
    "A silo refuses tables that break the data contract; that it refused is seen; one record can cause it.",
)


class DataKind(StrEnum):
    """What the model was made from, which decides whether the promise is one."""

    SIMULATED = "simulated"
    RESEARCH = "research"
    PRODUCTION = "production"

    @property
    def stamp(self) -> str:
        """The words that every report of this kind of data carries."""
        return {
            DataKind.SIMULATED: "simulated: no real person's data was used",
            DataKind.RESEARCH: "research data: outside the claim",
            DataKind.PRODUCTION: "production: the claim holds for the silos' customers",
        }[self]


@dataclass(frozen=True)
class MechanismNote:
    """One mechanism as it ran in each silo: bound, noise, sampling and steps of this model's run."""

    name: str
    clip_norm: float
    noise_multiplier: float
    sampling_rate: float
    steps: int


@dataclass(frozen=True)
class PrivacyStatement:
    """What a model promises. `id` is a hash of all of it: another promise has another id.

    epsilon: person-level, all releases in the ledgers' lifetime, worst choice of `max_silos_per_person` silos
    rdp_epsilon: the same by Rényi accounting, another method: a little more, and never much less
    run_epsilon: the same for this model's run alone, as planned
    silo_epsilons: what each silo spent in its ledger's lifetime; heads: the ledgers' heads at that moment
    mechanisms: of this model's run
    void: how what ran differs from what was assumed; with any line here nothing is promised
    unconfirmed_silos: those that did not answer at the end, which count with the most they can have spent in
        this run and all that was known before it, and those whose ledgers say less than is known of them
    """

    epsilon: float
    rdp_epsilon: float
    delta: float
    run_epsilon: float
    max_silos_per_person: int
    silo_epsilons: dict[str, float]
    heads: dict[str, str]
    mechanisms: tuple[MechanismNote, ...]
    data_kind: DataKind
    plan_fingerprint: str
    unit: str
    relation: str
    accountant: str
    noise_source: str
    void: tuple[str, ...] = ()
    unconfirmed_silos: tuple[str, ...] = ()
    trust_model: str = TRUST_MODEL
    period: str = PERIOD
    assumptions: tuple[str, ...] = ASSUMPTIONS
    known_limits: tuple[str, ...] = KNOWN_LIMITS

    @property
    def id(self) -> str:
        """`ps-` and 16 hex digits of the SHA-256 of the statement."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return f"ps-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def stamp(self) -> str:
        """The words that every report of this model carries."""
        return "VOID: what ran is not what was assumed" if self.void else self.data_kind.stamp

    @property
    def in_plain_words(self) -> str:
        """What epsilon and delta mean for one person.

        An even guess about whether a person took part becomes at most e^eps / (1 + e^eps) sure (Wasserman &
        Zhou 2010, for delta = 0; delta bounds what goes beyond).
        """
        certainty = 1 / (1 + math.exp(-self.epsilon))
        sure = f"at most {certainty:.1%} sure" if certainty < 0.999 else "practically sure"
        if self.void:
            return f"VOID: what ran is not what was assumed, so nothing is promised: {'; '.join(self.void)}."
        outside = (
            "Outside the claim: made from research data. " if self.data_kind is DataKind.RESEARCH else ""
        )
        return (
            f"{outside}Suppose somebody sees everything the silos ever sent and this model, knows everything "
            "about everyone else, and starts from an even guess whether your records were used. They can "
            f"become {sure}, apart from a chance of 1 in {round(1 / self.delta):,}. This counts everything "
            f"released from your records up to this model, in up to "
            f"{counted(self.max_silos_per_person, 'silo')}; models that are trained later add to it, "
            "and say so in statements of their own."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: every field, with the id, the stamp and the plain words."""
        words = {"id": self.id, "stamp": self.stamp, "in_plain_words": self.in_plain_words}
        fields: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {**words, **fields}

    def to_markdown(self) -> str:
        """The statement as a page for readers."""
        notes = [
            f"| {m.name} | {m.clip_norm:g} | {m.noise_multiplier:.4g} | {m.sampling_rate:g} | {m.steps} |"
            for m in self.mechanisms
        ]
        silos = [
            f"| {silo} | {spent:.4g} | `{self.heads.get(silo, '-')[:16]}` |"
            for silo, spent in self.silo_epsilons.items()
        ]
        return "\n".join(
            [
                f"# Privacy statement {self.id}",
                f"**{self.stamp}**",
                "",
                self.in_plain_words,
                "",
                f"- ε = {self.epsilon:.4g} at δ = {self.delta:g}; this run alone: ε = "
                f"{self.run_epsilon:.4g}; by Rényi accounting: ε = {self.rdp_epsilon:.4g}",
                f"- Unit: one {self.unit} with all their records; relation: {self.relation}",
                f"- Silos that one person may be in: {self.max_silos_per_person}",
                f"- Period: {self.period}",
                f"- Accountant: {self.accountant}; noise: {self.noise_source}",
                f"- Plan: `{self.plan_fingerprint}`",
                "",
                "## Who sees what",
                self.trust_model,
                "",
                "## Mechanisms, in each silo",
                "| mechanism | clip norm | noise multiplier | sampling rate | steps |",
                "|---|---|---|---|---|",
                *notes,
                "",
                "## Spent, silo by silo",
                *([f"Not confirmed: {', '.join(self.unconfirmed_silos)}"] if self.unconfirmed_silos else []),
                "| silo | ε | ledger head |",
                "|---|---|---|",
                *silos,
                "",
                "## Assumed",
                *(f"- {line}" for line in self.assumptions),
                "",
                "## Known limits",
                *(f"- {line}" for line in self.known_limits),
                "",
            ]
        )
