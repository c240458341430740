"""Every broken build is caught by what was measured, and the correct one by nothing."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from experiments.evidence.bars import Bar
from recsys.errors import TrainingError
from training import aggregation
from training.audit.checks.suite import CHECKS, run_checks
from training.audit.finding import Finding
from training.audit.mutants.catalogue import MUTANTS
from training.audit.mutants.expected import CAUGHT_BY
from training.audit.mutants.matrix import CORRECT, Verdict, judge, run_matrix
from training.audit.mutants.registry import Mutant, Replacement
from training.cli import audit_mutants
from training.cli.audit import audit

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

CORRECT_PARTS, RUNS_A_PART = 10, 20
OTHER_PARTS = 8

ROOT = Path(__file__).parents[3]

QUICK = ["divisor_from_len", "half_the_steps_accounted", "single_silo_epsilon_as_person_level"]

# Whole runs, bundles, messages and models: what must go on working for a bug to reach production.
RUNS = "tests/training/test_run.py"
NOT_ABOUT_PRIVACY = [
    f"{RUNS}::test_the_bundle_holds_what_was_trained",
    f"{RUNS}::test_progress_covers_every_stage",
    "tests/training/test_batches.py",
    "tests/training/test_simulate.py",
    "tests/training/test_server_optimizer.py",
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
@pytest.mark.parametrize("part", range(CORRECT_PARTS))
def test_the_correct_build_passes_every_run(part: int, counted, evidence) -> None:
    """In every build each part runs other checks, so that all run once."""
    runs = counted(1, RUNS_A_PART)
    checks = list(CHECKS)[part :: counted(CORRECT_PARTS, 1)] if counted(1, 0) else list(CHECKS)
    verdicts = list(run_matrix([], correct_runs=runs, checks=checks))
    failed = [verdict.evidence for verdict in verdicts if verdict.caught_by]
    assert all(list(verdict.findings) == checks and checks for verdict in verdicts)
    first = part * runs + 1
    evidence(
        f"the correct build under the mutants' checks, runs {first} to {first + runs - 1}",
        bars=[Bar("runs that pass", len(verdicts) - len(failed), at_least=runs)],
    )
    assert not failed


@pytest.mark.evidence
def test_every_mutant_is_caught_in_a_process_of_its_own(counted, evidence) -> None:
    """With full counts all mutants, each until a check finds something; in every build three."""
    names = sorted(MUTANTS) if counted(0, 1) else QUICK
    checks = list(CHECKS) if counted(0, 1) else [CAUGHT_BY[name] for name in QUICK]
    correct, *broken = run_matrix(names, checks=checks)
    caught = [verdict.build for verdict in broken if verdict.caught_by]
    evidence(
        "mutants caught by measured behaviour",
        bars=[
            Bar("mutants caught", len(caught), at_least=counted(len(QUICK), 20)),
            Bar("mutants missed", len(names) - len(caught), at_most=0),
        ],
    )
    assert (correct.build, correct.evidence) == (CORRECT, [])
    assert list(correct.findings) == checks
    assert caught == names
    for verdict in broken:
        assert list(verdict.findings) == verdict.caught_by == [CAUGHT_BY[verdict.build]]


def test_what_the_first_check_misses_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CAUGHT_BY, "divisor_from_len", "person_epsilon")
    verdict = judge("divisor_from_len", ["public_divisor", "tampering", "person_epsilon"])
    assert list(verdict.findings) == ["person_epsilon", "public_divisor"]
    assert verdict.caught_by == ["public_divisor"]


def test_a_build_that_crashes_is_not_called_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> Iterator[Replacement]:
        """A build that does not run."""
        yield aggregation, "public_divisor", None

    monkeypatch.setitem(MUTANTS, "crash", Mutant("crash", "crash", crash))
    with pytest.raises(TrainingError, match="'crash' could not be finished: TypeError"):
        judge("crash", ["public_divisor"])


@pytest.mark.evidence
@pytest.mark.parametrize("part", range(OTHER_PARTS))
def test_a_mutant_passes_what_is_not_about_privacy(part: int, counted, evidence) -> None:
    """A whole session of other tests under each mutant: nothing else would have noticed it.

    In every build one test of them under one mutant, in the first part.
    """
    names = sorted(MUTANTS)[part::OTHER_PARTS][: counted(int(part == 0), len(MUTANTS))]
    tests = NOT_ABOUT_PRIVACY[: counted(1, len(NOT_ABOUT_PRIVACY))]
    noticed = {name: told for name in names if (told := _told_by(tests, name))}
    evidence(
        f"mutants under the tests that are not about privacy, part {part + 1} of {OTHER_PARTS}",
        measured=f"{len(names)} mutants",
        bars=[Bar("mutants that fail one of them", len(noticed), at_most=0)],
    )
    assert not noticed
    assert len(names) >= counted(int(part == 0), len(MUTANTS) // OTHER_PARTS)


def _told_by(tests: list[str], mutant: str) -> str:
    """The end of what a session of these tests says if it fails."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "tests.contracts.mutants.plugin"]
    command = [sys.executable, "-m", "pytest", *options, "--mutant", mutant, *tests]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return ended.stdout[-2000:] if ended.returncode else ""


ALARM = [Finding("noise", False, 0.5, 0.9, "half the noise")]
VERDICTS = [Verdict(CORRECT, {"noise": []}), Verdict("no_noise", {"noise": ALARM, "other": []})]


def test_the_command_prints_a_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit_mutants, "run_matrix", lambda *_, **__: iter(VERDICTS))
    audit.main(["mutants", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {
        "mutants": 1,
        "caught": 1,
        "names": ["no_noise"],
        "caught_by": {"no_noise": ["noise"]},
        "missed": [],
        "correct_runs": 1,
        "correct_passed": 1,
    }
    audit.main(["mutants"], standalone_mode=False)
    assert "half the noise" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Verdict("no_noise", {"noise": []}), "'no_noise' was missed"),
        (Verdict(CORRECT, {"noise": ALARM}), "correct build failed"),
    ],
)
def test_a_missed_mutant_or_a_false_alarm_is_an_error(
    verdict: Verdict, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_mutants, "run_matrix", lambda *_, **__: iter([verdict]))
    with pytest.raises(TrainingError, match=told) as raised:
        audit.main(["mutants", "--json"], standalone_mode=False)
    assert raised.value.exit_code == 4


def test_only_known_mutants_can_be_asked_for() -> None:
    with pytest.raises(click.BadParameter, match="no_such_bug"):
        audit.main(["mutants", "--only", "no_such_bug"], standalone_mode=False)
