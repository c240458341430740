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
    "laplace_noise_in_sums": "shape_of_sums",
    "uniform_noise_in_sums": "shape_of_sums",
    "truncated_noise_in_sums": "shape_of_sums",
    "half_the_coordinates_mirror_the_others": "shape_of_sums",
    "only_what_is_not_zero_is_noised": "shape_of_sums",
    "noise_follows_the_value": "shape_of_sums",
    "smoothed_noise": "shape_of_sums",
    "noise_shared_by_silos": "independence",
    "noise_shared_by_mechanisms": "independence",
    "rounds_reuse_the_first_rounds_noise": "independence",
    "same_keystream_after_a_fork": "independence",
    "online_events_are_a_second_customer": "online_neighbours",
    "events_joined_by_id_alone": "online_neighbours",
    "who_did_not_consent_trains": "online_neighbours",
    "rank_is_not_looked_at": "online_neighbours",
    "device_signals_train": "online_neighbours",
    "weighed_after_scaling": "sensitivity_of_sums",
    "popularity_in_float32": "coupling",
    "steps_in_float32": "coupling",
    "microseconds_in_receipts": "receipts",
    "receipts_say_when_they_were_closed": "receipts",
    "rows_without_salt": "receipts",
    "one_snapshot_for_all_runs": "receipts",
    "a_loss_in_a_public_field": "egress_of_a_run",
    "exact_counts_in_the_report": "published_model",
    "given_up_is_not_spent": "person_epsilon",
    "the_largest_instead_of_all": "person_epsilon",
    "caps_are_not_checked": "caps_refuse",
    "charged_when_it_is_over": "charged_before_drawn",
    "server_knows_events_by_id_alone": "neighbours_at_the_server",
}

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
def test_the_correct_build_passes_every_run(counted, evidence) -> None:
    runs = counted(3, 200)
    verdicts = list(run_matrix([], correct_runs=runs))
    failed = [verdict.evidence for verdict in verdicts if verdict.caught_by]
    assert len(verdicts) == runs
    assert not failed
    evidence(
        "the correct build under the mutants' checks",
        measured=f"{runs} runs",
        bars=[Bar("runs that fail", len(failed), at_most=0)],
    )


@pytest.mark.evidence
def test_every_mutant_is_caught_in_a_process_of_its_own(counted, evidence) -> None:
    """With full counts all checks judge all mutants; in every build some quick checks judge three."""
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
    assert caught == names
    for verdict in broken:
        assert CAUGHT_BY[verdict.build] in verdict.caught_by


def test_a_build_that_crashes_is_not_called_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> Iterator[Replacement]:
        """A build that does not run."""
        yield aggregation, "public_divisor", None

    monkeypatch.setitem(MUTANTS, "crash", Mutant("crash", "crash", crash))
    with pytest.raises(TrainingError, match="'crash' could not be finished: TypeError"):
        judge("crash", ["public_divisor"])


@pytest.mark.evidence
def test_a_mutant_passes_what_is_not_about_privacy(counted, evidence) -> None:
    """A whole session of other tests under each mutant: nothing else would have noticed it."""
    names = sorted(MUTANTS)[: counted(1, len(MUTANTS))]
    tests = NOT_ABOUT_PRIVACY[: counted(1, len(NOT_ABOUT_PRIVACY))]
    noticed = {}
    for name in names:
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "tests.contracts.mutants.plugin"]
        command = [sys.executable, "-m", "pytest", *options, "--mutant", name, *tests]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if ended.returncode:
            noticed[name] = ended.stdout[-2000:]
    assert not noticed
    evidence(
        "mutants under the tests that are not about privacy",
        measured=f"{len(names)} mutants",
        bars=[Bar("mutants that fail one of them", len(noticed), at_most=0)],
    )


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
