"""A small audit result, without running an audit."""

from training.audit.finding import Finding
from training.audit.one_run import OneRunResult
from training.audit.record import AuditResult, CheckLine
from training.audit.step_audit import StepResult

DELTA = 1e-6


def make_result(*, audit_id="20260102T030405-abcdef", alarm=3.0):
    steps = tuple(
        StepResult("towers", claim, DELTA, 50, 10, 12, 0.7 * claim, min(alarm, claim) if alarm < 8 else alarm)
        for claim in (4.0, 8.0)
    )
    runs = tuple(
        OneRunResult(
            claim, DELTA, 500, 40, ((47, 50), (90, 100)), 0.2 * claim, 0.3 * claim, 0.6 * claim, 1.0, 0.8
        )
        for claim in (4.0, 8.0)
    )
    refused = CheckLine.of(Finding.refused("sampling", ValueError("a <b> & c")))
    checks = (CheckLine.of(Finding("noise", True, 1.0, 1.01, "noise is <right>")),)
    return AuditResult(
        audit_id=audit_id,
        created="2026-01-02T03:04:05+00:00",
        seconds=12.3,
        full=False,
        delta=DELTA,
        code_version="0.1.0",
        code_hash="c" * 64,
        checks=checks if alarm < 8 else (*checks, refused),
        steps=steps,
        one_run=runs,
    )
