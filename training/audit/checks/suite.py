"""All checks by name. On the correct build a run of the suite fails with a chance below 1e-4."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from recsys.errors import BudgetExceededError, LedgerError, PlanError
from training.audit.checks import accounting, egress, freshness, noise, sampling, sensitivity
from training.audit.checks.bench import Subject, bench
from training.audit.finding import Finding

Check = Callable[[], list[Finding]]

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        noise.noise_of_sums,
        noise.noise_of_steps,
        noise.noise_of_empty_batches,
        noise.noise_of_chunked_steps,
        sensitivity.sensitivity_of_sums,
        sensitivity.sensitivity_of_steps,
        sensitivity.coupling,
        sampling.sampling,
        freshness.freshness,
        accounting.charged_steps,
        accounting.person_epsilon,
        accounting.public_divisor,
        egress.egress_of_a_run,
    )
}


def prepare() -> None:
    """Make the bench and what every build needs of it, so that child processes find it made."""
    world = bench()
    for silo in range(len(world.federation.silos)):
        Subject(world, silo=silo)
    for towers in (noise.EVERYONE, noise.NOBODY, sampling.SOME, freshness.ROUNDS, accounting.FEW):
        world.plan(towers).epsilon()
    egress.plan_of(world.neighbour).epsilon()


def run_checks(names: Iterable[str] = CHECKS) -> dict[str, list[Finding]]:
    """What each check found. A refusal of the kernel is a finding; any other error is raised."""
    return {name: _found(name) for name in names}


def _found(name: str) -> list[Finding]:
    try:
        return CHECKS[name]()
    except (PlanError, LedgerError, BudgetExceededError) as error:
        return [Finding.refused(name, error)]
