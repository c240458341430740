"""All checks by name. On the correct build a run of the suite fails with a chance below 1e-4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

from recsys.errors import BudgetExceededError, LedgerError, PlanError
from recsys.privacy.ledger_provenance import dependency_hash
from training.audit.checks import (
    accounting,
    books,
    composition,
    egress,
    freshness,
    hostile,
    impossible,
    independence,
    lifetime,
    noise,
    offered,
    online,
    published,
    receipts,
    sampling,
    sensitivity,
    shape,
    shown,
)
from training.audit.checks.bench import bench
from training.audit.checks.shared import one_build
from training.audit.checks.subject import Subject
from training.audit.finding import Finding

Check = Callable[[], list[Finding]]

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        noise.noise_of_sums,
        noise.noise_of_steps,
        noise.noise_of_empty_batches,
        noise.noise_of_chunked_steps,
        shape.shape_of_sums,
        shape.shape_of_steps,
        independence.independence,
        sensitivity.sensitivity_of_sums,
        sensitivity.sensitivity_of_steps,
        sensitivity.coupling,
        hostile.exactness_of_steps,
        online.online_neighbours,
        impossible.broken_rows,
        sampling.sampling,
        sampling.independence_of_samples,
        freshness.freshness,
        accounting.charged_steps,
        shown.person_epsilon,
        accounting.public_divisor,
        composition.composed_steps,
        books.charged_before_drawn,
        books.caps_refuse,
        books.tampering,
        receipts.receipts,
        egress.egress_of_a_run,
        published.published_model,
        lifetime.lifetime_of_a_run,
        offered.neighbours_at_the_server,
    )
}

# Imported in the middle of their work by what the checks run; of the code alone, and a second each.
LAZY = (
    "mlflow.entities",
    "torch._dynamo",
    "dp_accounting.pld",
    "onnx.checker",
    "onnx.helper",
    "recsys.towers.export",
)


def prepare() -> None:
    """Make the bench and what every build needs of it, so that child processes find it made.

    Only simulated tables as they were written, imports, and the epsilon of public plans: nothing of it goes
    through code that a mutant replaces.
    """
    world = bench()
    for silo in range(len(world.federation.silos)):
        Subject(world, silo=silo)
    for towers in (noise.EVERYONE, noise.NOBODY, sampling.SOME, freshness.ROUNDS, accounting.FEW, books.STEP):
        world.plan(towers).epsilon()
    for plan in (shape.plan_of(world), independence.plan_of(world), books.small_plan(world)):
        plan.epsilon()
    world.plan(accounting.FEW, rounds=accounting.ROUNDS).epsilon()
    egress.plan_of(world.neighbour).epsilon()
    published.plan_of(world).epsilon()
    dependency_hash()
    offered.load()
    for name in LAZY:
        import_module(name)


def run_checks(names: Iterable[str] = CHECKS) -> dict[str, list[Finding]]:
    """What each check found. A refusal of the kernel is a finding; any other error is raised."""
    return dict(checked(names))


def checked(names: Iterable[str] = CHECKS) -> Iterator[tuple[str, list[Finding]]]:
    """The same, check by check, so that whoever asks may stop."""
    with one_build():
        for name in names:
            yield name, _found(name)


def _found(name: str) -> list[Finding]:
    try:
        return CHECKS[name]()
    except (PlanError, LedgerError, BudgetExceededError) as error:
        return [Finding.refused(name, error)]
