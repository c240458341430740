"""One frozen plan, made and calibrated once: training, noise, accounting and ledger all read it.

Guarantee: epsilon at delta for one customer (all of that person's records, in up to `max_silos_per_person`
silos) under add-or-remove-one, against a server that sees every update of every silo, provided that what runs
is what the plan says; the ledger and the contract tests hold the two together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from recsys.errors import PlanError
from recsys.privacy import accountant, calibration, checks
from recsys.privacy.events import RELATION, UNIT, PrivacyEvent
from recsys.privacy.releases import RELEASES, TOWERS, DpSgdPlan, ReleasePlan

__all__ = [
    "MECHANISMS",
    "RELEASES",
    "TOWERS",
    "DpSgdPlan",
    "PrivacyEvent",
    "PrivacyPlan",
    "ReleasePlan",
    "calibrate",
]

MECHANISMS = (*RELEASES, TOWERS)


@dataclass(frozen=True)
class PrivacyPlan:
    """Sampler, bounds, noise, steps, divisor, event, unit and relation in one object.

    registered_customers: a public number for each silo, agreed before data is read and never counted from it.
    Raises PlanError for anything that is not a promise (`recsys.privacy.checks`).
    """

    target_epsilon: float
    delta: float
    max_silos_per_person: int
    registered_customers: Mapping[str, int]
    releases: tuple[ReleasePlan, ...]
    dpsgd: DpSgdPlan | None
    unit: str = UNIT
    relation: str = RELATION

    def __post_init__(self) -> None:
        object.__setattr__(self, "target_epsilon", checks.target_epsilon(self.target_epsilon))
        object.__setattr__(self, "delta", checks.delta_value(self.delta))
        registered = checks.federation(self.registered_customers, self.max_silos_per_person, self.delta)
        object.__setattr__(self, "registered_customers", MappingProxyType(registered))
        object.__setattr__(self, "releases", tuple(self.releases))
        names = [release.name for release in self.releases]
        if len(set(names)) != len(names):
            raise PlanError(f"plan: releases {names} repeat a name; each mechanism releases once")
        if not names and self.dpsgd is None:
            raise PlanError("plan: no mechanism; give at least one a share above 0")
        if (self.unit, self.relation) != (UNIT, RELATION):
            raise PlanError(f"plan: only unit '{UNIT}' and relation '{RELATION}' are accounted")

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __reduce__(self) -> tuple[Any, ...]:
        return PrivacyPlan.from_json, (self.to_json(),)

    def release(self, name: str) -> ReleasePlan:
        """The plan of one noised sum; PlanError if the plan has none of that name."""
        for release in self.releases:
            if release.name == name:
                return release
        raise PlanError(f"the plan has no release '{name}'; give it a share above 0")

    def has(self, name: str) -> bool:
        """Whether the plan spends anything on this mechanism."""
        return name in self.mechanisms()

    def mechanisms(self) -> Mapping[str, PrivacyEvent]:
        """Each mechanism's event in one silo, whole run."""
        events = {release.name: release.event for release in self.releases}
        return events if self.dpsgd is None else {**events, self.dpsgd.name: self.dpsgd.event()}

    def events(self) -> tuple[PrivacyEvent, ...]:
        """All events of one silo."""
        return tuple(self.mechanisms().values())

    def epsilon(self) -> float:
        """The person-level epsilon of a whole run, composed from the events (pessimistic)."""
        return accountant.epsilon(self.events() * self.max_silos_per_person, self.delta)

    def expected_batch(self, silo: str) -> float:
        """The public divisor of a silo's sums: sampling_rate * registered customers, never the real batch."""
        if self.dpsgd is None:
            raise PlanError("the plan has no towers, so no batch; give 'towers' a share above 0")
        return self.dpsgd.sampling_rate * self.registered(silo)

    def registered(self, silo: str) -> int:
        """The silo's public number of customers; PlanError if the silo is not in the plan."""
        if silo not in self.registered_customers:
            known = ", ".join(sorted(self.registered_customers))
            raise PlanError(f"silo '{silo}' is not in the plan; it knows {known}")
        return self.registered_customers[silo]

    def fingerprint(self) -> str:
        """SHA-256 (hex) of the plan's canonical JSON: what ran under which plan is one comparison."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, shortest floats that read back exactly."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields["registered_customers"] = dict(self.registered_customers)
        fields["releases"] = [_written(release) for release in self.releases]
        fields["dpsgd"] = None if self.dpsgd is None else vars(self.dpsgd)
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> PrivacyPlan:
        """The plan that `to_json` wrote; PlanError if the text is not one."""
        try:
            fields = json.loads(text)
            fields["releases"] = tuple(ReleasePlan(**release) for release in fields["releases"])
            fields["dpsgd"] = None if fields["dpsgd"] is None else DpSgdPlan(**fields["dpsgd"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError) as error:
            raise PlanError(
                f"this is no privacy plan: {error}; write one with PrivacyPlan.to_json"
            ) from error


def _written(release: ReleasePlan) -> dict[str, Any]:
    """A single round goes without saying, as in plans from before there were rounds."""
    fields = dict(vars(release))
    if release.rounds == 1:
        del fields["rounds"]
    return fields


def calibrate(
    *,
    target_epsilon: float,
    delta: float = 1e-6,
    max_silos_per_person: int,
    registered_customers: Mapping[str, int],
    shares: Mapping[str, float],
    clip_norms: Mapping[str, float],
    sampling_rate: float = 1.0,
    steps: int = 1,
    rounds: Mapping[str, int] | None = None,
) -> PrivacyPlan:
    """The plan whose exact person-level composition is the target epsilon at delta, to 0.5 % and never above.

    shares: each mechanism's part of mu^2 (they sum to 1); a mechanism without a share is left out.
    clip_norms: the L2 bound of one customer's contribution to each mechanism with a share.
    sampling_rate, steps: of the towers; not read if they have no share.
    rounds: how often a noised sum is released, where that is more than once.
    The shares split the budget by Gaussian-DP approximations; then ONE scale of all noise is searched so that
    all mechanisms, composed `max_silos_per_person` times by the pessimistic accountant, meet the target.

    Guarantee: customer-level, add-or-remove-one; assumes that each silo releases each mechanism as often as
    planned. Raises PlanError for anything that is no promise, and if no noise level meets the target.
    """
    target = checks.target_epsilon(target_epsilon)
    delta = checks.delta_value(delta)
    checks.federation(registered_customers, max_silos_per_person, delta)
    split = calibration.check_shares(shares, MECHANISMS)
    if missing := sorted(set(split) - set(clip_norms)):
        raise PlanError(f"clip_norms: none for '{missing[0]}'; give each mechanism with a share its L2 bound")
    if TOWERS in split:
        sampling_rate, steps = (
            checks.probability("sampling_rate", sampling_rate),
            checks.count("steps", steps),
        )

    often = {name: checks.count(f"{name}: rounds", (rounds or {}).get(name, 1)) for name in RELEASES}

    def plan_at(mu: float) -> PrivacyPlan:
        costs = {name: share * mu * mu for name, share in split.items()}
        towers = None
        if TOWERS in costs:
            noise = calibration.dpsgd_noise(costs[TOWERS], sampling_rate, steps)
            towers = DpSgdPlan(clip_norms[TOWERS], noise, sampling_rate, steps)
        releases = tuple(
            ReleasePlan(
                name, clip_norms[name], calibration.gaussian_noise(costs[name] / often[name]), often[name]
            )
            for name in RELEASES
            if name in costs
        )
        return PrivacyPlan(target, delta, max_silos_per_person, registered_customers, releases, towers)

    guess = calibration.first_guess(target, delta) / max_silos_per_person**0.5
    return plan_at(calibration.largest_scale(lambda mu: plan_at(mu).epsilon(), target, guess))
