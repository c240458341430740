"""A whole audit at the smallest counts: every part runs, and what fails is told apart."""

import pytest

from recsys.errors import PlanError
from training.audit import run as run_module
from training.audit.canaries import STAMP
from training.audit.finding import Finding
from training.audit.run import FULL, QUICK, RUNNING, STEPPING, Scale, run_audit
from training.audit.step_audit import enough_trials
from training.audit.sums import SUMS

TINY = Scale(tower_trials=3, sum_trials=5, least_trials=1, samples=300, canaries=60)


def test_an_audit_has_every_part_and_tells_how_far_it_is():
    told = []
    result = run_audit(TINY, claims=(8.0,), checks=(), progress=lambda *step: told.append(step))
    assert not result.failed, result.failed
    assert [(s.mechanism, s.claim) for s in result.steps] == [
        (mechanism, 8.0) for mechanism in ("towers", *SUMS)
    ]
    assert [r.claim for r in result.one_run] == [8.0]
    assert {line.check for line in result.checks} == {"source.noise", "source.sampler"}
    assert len(result.code_hash) == 64
    assert result.stamp == STAMP
    for stage in (STEPPING, RUNNING):
        seen = [(done, total) for name, done, total in told if name == stage]
        assert seen[-1][0] == seen[-1][1] == len(seen), stage


def test_a_failed_check_makes_the_audit_fail(monkeypatch):
    broken = Finding("noise", False, 0.5, 1.0, "half the noise")
    monkeypatch.setattr(run_module, "checked", lambda names: ((name, [broken]) for name in names))
    monkeypatch.setattr(run_module, "prepare", lambda: None)
    result = run_audit(TINY, claims=(8.0,), checks=("noise_of_sums",))
    assert [line.words for line in result.failed] == ["half the noise"]


def test_a_claim_that_is_none_is_refused_before_anything_runs():
    told = []
    with pytest.raises(PlanError, match="target_epsilon"):
        run_audit(TINY, claims=(8.0, 1e4), progress=lambda *step: told.append(step))
    assert not told


def test_full_counts_meet_the_evidences_bar():
    for mechanism in ("towers", *SUMS):
        for claim in (1.0, 8.0):
            trials = FULL.trials(mechanism, claim, 1e-6)
            assert trials >= max(10_000, enough_trials(claim, 1e-6))
    assert FULL.canaries == 5000
    assert FULL.full
    assert not QUICK.full
    assert QUICK.trials("towers", 1.0, 1e-6) == 1000
    assert QUICK.trials("popularity", 1.0, 1e-6) >= enough_trials(1.0, 1e-6)
