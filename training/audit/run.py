"""A whole audit: behaviour, secure source, one release at a time, and thousands of canaries in one run.

The attacked customers are synthetic, so the audit costs no real customer's budget and reserves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from recsys.privacy.ledger_provenance import code_hash, installed_version
from recsys.privacy.plan import PrivacyPlan
from training.audit.canaries import CanaryWorld
from training.audit.checks.suite import CHECKS, checked, prepare
from training.audit.finding import Finding
from training.audit.one_run import OneRunResult, attacked_run, judge, one_run_plan
from training.audit.record import AuditResult, CheckLine
from training.audit.source import source_findings
from training.audit.step_audit import StepResult, enough_trials, step_audit, tower_score
from training.audit.sums import SUMS, sum_score
from training.config import TOWERS
from training.progress import Progress, silent

CLAIMS, DELTA = (1.0, 2.0, 4.0, 8.0), 1e-6
CHECKING, STEPPING, RUNNING = "behaviour", "step audit", "one-run audit"


@dataclass(frozen=True)
class Scale:
    """How much is repeated. tower_trials, sum_trials: most trials of the engine's step, of a noised sum, for
    each claim; None for as many as the bar asks for. least_trials: unless those are fewer.
    samples: of the sampler; canaries: of the one-run audit"""

    tower_trials: int | None
    sum_trials: int | None
    least_trials: int
    samples: int
    canaries: int

    @property
    def full(self) -> bool:
        """Whether these are the counts that the evidence asks for."""
        return self.tower_trials is None and self.sum_trials is None

    def trials(self, mechanism: str, claim: float, delta: float) -> int:
        """Trials in each world."""
        wanted = max(self.least_trials, enough_trials(claim, delta))
        most = self.tower_trials if mechanism == TOWERS else self.sum_trials
        return wanted if most is None else min(most, wanted)


QUICK = Scale(tower_trials=1_000, sum_trials=None, least_trials=1_000, samples=2_000, canaries=3_000)
FULL = Scale(tower_trials=None, sum_trials=None, least_trials=10_000, samples=20_000, canaries=5_000)


def run_audit(
    scale: Scale,
    *,
    claims: Sequence[float] = CLAIMS,
    delta: float = DELTA,
    checks: Iterable[str] = CHECKS,
    progress: Progress = silent,
) -> AuditResult:
    """Everything, against claims of these epsilons at delta. Findings say what failed.

    Raises PlanError before anything runs if a claim is none.
    """
    begun, now = time.monotonic(), datetime.now(UTC)
    plans = [one_run_plan(claim, delta, scale.canaries) for claim in claims]
    found = [*_behaviour(tuple(checks), scale, progress)]
    steps = _steps(scale, claims, delta, progress)
    one_run = _one_run(plans, scale, progress)
    return AuditResult(
        audit_id=f"{now:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}",
        created=now.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - begun, 1),
        full=scale.full,
        delta=delta,
        code_version=installed_version(),
        code_hash=code_hash(),
        checks=tuple(CheckLine.of(finding) for finding in found),
        steps=steps,
        one_run=one_run,
    )


def _behaviour(names: tuple[str, ...], scale: Scale, progress: Progress) -> list[Finding]:
    """The product's own path with one customer more or less, noise and samples where they are drawn."""
    found = list[Finding]()
    progress(CHECKING, 0, len(names) + 1)
    if names:
        prepare()
    for number, (_, findings) in enumerate(checked(names), 1):
        found += findings
        progress(CHECKING, number, len(names) + 1)
    found += source_findings(scale.samples)
    progress(CHECKING, len(names) + 1, len(names) + 1)
    return found


def _steps(scale: Scale, claims: Sequence[float], delta: float, progress: Progress) -> tuple[StepResult, ...]:
    attacks = [(mechanism, claim) for mechanism in (TOWERS, *SUMS) for claim in claims]
    counts = [scale.trials(mechanism, claim, delta) for mechanism, claim in attacks]
    results, done, total = list[StepResult](), 0, sum(counts)
    for (mechanism, claim), trials in zip(attacks, counts, strict=True):
        if mechanism == TOWERS:
            score, threshold = tower_score(claim, delta)
        else:
            score, threshold = sum_score(mechanism, claim, delta)

        def shown(number: int, before: int = done) -> None:
            progress(STEPPING, before + number, total)

        results.append(
            step_audit(mechanism, score, threshold, claim=claim, delta=delta, trials=trials, progress=shown)
        )
        done += trials
    return tuple(results)


def _one_run(plans: Sequence[PrivacyPlan], scale: Scale, progress: Progress) -> tuple[OneRunResult, ...]:
    world, results = CanaryWorld(scale.canaries), list[OneRunResult]()
    for number, plan in enumerate(plans):

        def shown(step: int, steps: int, before: int = number) -> None:
            progress(RUNNING, before * steps + step, len(plans) * steps)

        results.append(judge(attacked_run(world, plan, progress=shown), plan))
    return tuple(results)
