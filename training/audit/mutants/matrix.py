"""The correct build and every mutant under the suite of checks, each in a fresh child process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection

from recsys.errors import TrainingError
from training.audit.checks.suite import CHECKS, checked, prepare
from training.audit.finding import Finding
from training.audit.mutants.catalogue import MUTANTS
from training.audit.mutants.expected import CAUGHT_BY

CORRECT = "the correct build"

Findings = dict[str, list[Finding]]


@dataclass(frozen=True)
class Verdict:
    """What the checks found in one build."""

    build: str
    findings: Findings

    @property
    def caught_by(self) -> list[str]:
        """The checks that found something wrong; for the correct build each is a false alarm."""
        return [name for name, found in self.findings.items() if not all(one.ok for one in found)]

    @property
    def evidence(self) -> list[Finding]:
        """The findings that are not as they should be."""
        return [one for found in self.findings.values() for one in found if not one.ok]


def run_matrix(
    names: Iterable[str] = MUTANTS, *, correct_runs: int = 1, checks: Iterable[str] = CHECKS
) -> Iterator[Verdict]:
    """The correct build's verdicts first, then each mutant's, as they are reached.

    The correct build passes or fails all checks; a mutant is judged until one finds something.
    Raises TrainingError if a build crashed instead of being judged: a crash says nothing about privacy.
    """
    prepare()
    chosen = list(checks)
    yield from (judge(CORRECT, chosen) for _ in range(correct_runs))
    yield from (judge(name, chosen) for name in names)


def judge(build: str, checks: Iterable[str] = CHECKS) -> Verdict:
    """One build under the checks, in a child process that ends with it.

    A mutant is asked for by the check that is meant to catch it first, and by others until one does.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(build, _ordered(build, checks), sending))
    child.start()
    sending.close()
    try:
        found: Findings | str = receiving.recv()
    except EOFError:
        found = "the process died"
    child.join()
    if isinstance(found, str):
        raise TrainingError(f"checks of '{build}' could not be finished: {found}; see the errors above")
    return Verdict(build, found)


def _ordered(build: str, checks: Iterable[str]) -> list[str]:
    first = CAUGHT_BY.get(build)
    return sorted(checks, key=lambda name: name != first)


def _found(checks: list[str], *, all_of_them: bool) -> Findings:
    found: Findings = {}
    for name, findings in checked(checks):
        found[name] = findings
        if not all_of_them and not all(one.ok for one in findings):
            break
    return found


def _run(build: str, checks: list[str], sending: Connection) -> None:
    broken = nullcontext() if build == CORRECT else MUTANTS[build].applied()
    try:
        with broken:
            sending.send(_found(checks, all_of_them=build == CORRECT))
    except Exception as error:
        sending.send(f"{type(error).__name__}: {error}")
        raise
