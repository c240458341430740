"""Every broken build is caught by what was measured, and the correct one by nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.cli import cli
from training.audit.checks.suite import CHECKS, run_checks
from training.audit.mutants.catalogue import MUTANTS
from training.audit.mutants.matrix import CORRECT, run_matrix

SPECIFIED = {
    "no_noise",
    "noise_divided_by_1_25",
    "noise_halved",
    "no_clip",
    "clip_after_mean",
    "mean_over_real_batch",
    "divisor_from_len",
    "double_batch",
    "shuffled_sampler",
    "fixed_size_sampler",
    "noise_per_micro_batch",
    "empty_batch_skipped",
    "half_the_steps_accounted",
    "halved_rate_accounted",
    "two_examples_per_customer",
    "batch_norm",
    "noise_reseeded_per_round",
    "noise_state_restored_on_resume",
    "one_table_without_noise",
    "raw_count_leaves_the_silo",
    "single_silo_epsilon_as_person_level",
}

CAUGHT_BY = {
    "no_noise": "noise_of_steps",
    "noise_divided_by_1_25": "noise_of_steps",
    "noise_halved": "noise_of_sums",
    "noise_per_micro_batch": "noise_of_chunked_steps",
    "empty_batch_skipped": "noise_of_empty_batches",
    "one_table_without_noise": "noise_of_empty_batches",
    "noise_reseeded_per_round": "freshness",
    "noise_state_restored_on_resume": "freshness",
    "no_clip": "sensitivity_of_steps",
    "clip_after_mean": "sensitivity_of_steps",
    "mean_over_real_batch": "noise_of_steps",
    "batch_norm": "coupling",
    "big_baskets_count_more": "sensitivity_of_sums",
    "double_batch": "sampling",
    "shuffled_sampler": "sampling",
    "fixed_size_sampler": "sampling",
    "two_examples_per_customer": "sensitivity_of_steps",
    "half_the_steps_accounted": "charged_steps",
    "halved_rate_accounted": "sampling",
    "divisor_from_len": "public_divisor",
    "raw_count_leaves_the_silo": "egress_of_a_run",
    "single_silo_epsilon_as_person_level": "person_epsilon",
}

ROOT = Path(__file__).parents[3]

# Whole runs, bundles, messages and models: what must go on working for a bug to reach production.
NOT_ABOUT_PRIVACY = [
    "tests/training/test_batches.py",
    "tests/training/test_run.py",
    "tests/training/test_server_optimizer.py",
    "tests/training/test_simulate.py",
    "tests/recsys/models",
    "tests/recsys/towers",
    "tests/e2e/test_train_serve_skew.py",
]


def test_every_mutant_of_the_specification_is_there_and_in_the_table() -> None:
    assert set(MUTANTS) >= SPECIFIED
    assert set(CAUGHT_BY) == set(MUTANTS)
    assert set(CAUGHT_BY.values()) <= set(CHECKS)


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_is_caught_by_what_was_measured(name: str) -> None:
    check = CAUGHT_BY[name]
    with MUTANTS[name].applied():
        broken = run_checks([check])[check]
    measured = [found for found in broken if not found.ok]
    assert measured, f"{name} passes {check}"
    assert not any(found.words.startswith("refused") for found in measured), "caught, but not by measuring"


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_nothing_of_a_mutant_stays(name: str) -> None:
    before = [(target, what, getattr(target, what)) for target, what, _ in MUTANTS[name].replacements()]
    with MUTANTS[name].applied():
        assert all(getattr(target, what) != real for target, what, real in before)
    assert all(getattr(target, what) == real for target, what, real in before)


@pytest.mark.evidence
def test_the_correct_build_passes_every_run(counted, evidence) -> None:
    runs = counted(3, 200)
    verdicts = list(run_matrix([], correct_runs=runs))
    failed = [verdict.evidence for verdict in verdicts if verdict.caught_by]
    evidence(
        "the correct build under the mutants' checks",
        bar="200 of 200 runs pass",
        measured=f"{runs - len(failed)} of {runs} runs pass",
    )
    assert len(verdicts) == runs
    assert not failed


@pytest.mark.evidence
def test_every_mutant_is_caught(counted, evidence) -> None:
    """The whole suite in child processes; in every build for two mutants, with full counts for all."""
    names = sorted(MUTANTS)[: counted(2, len(MUTANTS))]
    verdicts = list(run_matrix(names, correct_runs=1))
    caught = [verdict.build for verdict in verdicts if verdict.build != CORRECT and verdict.caught_by]
    evidence(
        "mutants caught by measured behaviour",
        bar="at least 20 mutants, all caught",
        measured=f"{len(caught)} of {len(names)}",
    )
    assert verdicts[0].build == CORRECT
    assert not verdicts[0].caught_by
    assert caught == names
    for verdict in verdicts[1:]:
        assert CAUGHT_BY[verdict.build] in verdict.caught_by


@pytest.mark.evidence
def test_a_mutant_passes_what_is_not_about_privacy(counted, evidence) -> None:
    """A whole session of other tests under each mutant: nothing else would have noticed it."""
    names = sorted(MUTANTS)[: counted(1, len(MUTANTS))]
    tests = NOT_ABOUT_PRIVACY[: counted(1, len(NOT_ABOUT_PRIVACY))]
    noticed = {}
    for name in names:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.contracts.mutants.plugin"]
        ended = subprocess.run(
            [*command, "-p", "no:cacheprovider", "--mutant", name, *tests],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            noticed[name] = ended.stdout[-2000:]
    evidence(
        "mutants under the tests that are not about privacy",
        bar="each passes them",
        measured=f"{len(names) - len(noticed)} of {len(names)} pass",
    )
    assert not noticed


def test_the_command_prints_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["audit", "mutants", "--json", "--only", "divisor_from_len"], standalone_mode=False)
    summary = json.loads(capsys.readouterr().out)
    assert (summary["mutants"], summary["caught"], summary["missed"]) == (1, 1, [])
    assert summary["names"] == ["divisor_from_len"]
    assert "public_divisor" in summary["caught_by"]["divisor_from_len"]
    assert (summary["correct_runs"], summary["correct_passed"]) == (1, 1)
