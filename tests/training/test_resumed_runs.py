"""A run that was stopped goes on where it was: what is done anew, and that alone, is charged again."""

from pathlib import Path

import numpy as np
import pytest

from recsys.bundle.store import read_bundle
from recsys.errors import TrainingError
from tests.training.worlds import Configured, charges
from training import gradient_rounds, rhythm_rounds, stages
from training.checkpoint import open_run, runs
from training.run import run_training


def test_finished_stages_are_not_done_again(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, applied = configured(), []

    def die_in_round_three(towers, gradient) -> None:
        applied.append(1)
        if len(applied) == 4:
            raise KeyboardInterrupt
        real(towers, gradient)

    real = gradient_rounds.Towers.apply
    monkeypatch.setattr(gradient_rounds.Towers, "apply", die_in_round_three)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    result = run_training(config)
    assert [run.run_id for run in runs(config.output)] == [result.run_id]
    assert result.report["attempts"] == 2
    # Rounds 1 and 2 were kept; 3 and 4 were done and charged twice.
    expected = [
        "popularity",
        "intervals",
        *["rhythm"] * 3,
        "season",
        "followups",
        "demand",
        "copurchase",
        *["towers"] * 4,
    ]
    assert charges(world) == dict.fromkeys(charges(world), expected)
    assert not result.report["within_target"]
    assert result.report["person_epsilon"] > result.plan.epsilon()


def test_finished_rounds_are_kept_and_the_one_under_way_is_charged_again(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, real, asked = configured(), rhythm_rounds.noised_total, []

    def die_after_round_two(*told, **options):
        asked.append(options["number"])
        noised = real(*told, **options)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return noised

    monkeypatch.setattr(rhythm_rounds, "noised_total", die_after_round_two)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    result = run_training(config)
    assert asked == [0, 1, 1, 2]
    expected = [
        "popularity",
        "intervals",
        *["rhythm"] * 4,
        "season",
        "followups",
        "demand",
        "copurchase",
        *["towers"] * 3,
    ]
    assert charges(world) == dict.fromkeys(charges(world), expected)
    assert not result.report["within_target"]


def test_popularity_may_be_two_sums_and_the_first_is_paid_for_once(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, real, asked = configured("popularity.head.items=20"), stages.noised_total, []

    def die_before_the_second(session, stage, *told, **options):
        asked.append((stage, options.get("number", 0)))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(session, stage, *told, **options)

    monkeypatch.setattr(stages, "noised_total", die_before_the_second)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    result = run_training(config)
    assert asked[:3] == [("popularity", 0), ("popularity", 1), ("popularity", 1)]
    spent = charges(world)
    assert spent
    assert all(silo[:3] == ["popularity", "popularity", "intervals"] for silo in spent.values())
    assert result.plan.release("popularity").rounds == 2
    assert result.report["within_target"]
    assert np.exp(read_bundle(result.bundle_folder).log_popularity).sum() == pytest.approx(1, abs=1e-4)


def test_fresh_starts_another_run_and_charges_the_same_ledgers(configured: Configured) -> None:
    config = configured()
    first = run_training(config)
    second = run_training(config, resume=False)
    assert first.run_id != second.run_id
    assert second.report["person_epsilon"] == pytest.approx(first.report["person_epsilon"])
    assert second.report["person_epsilon_lifetime"] > 1.2 * first.report["person_epsilon_lifetime"]
    assert second.report["model"]["version"] == 2


def test_two_processes_do_not_share_a_run(configured: Configured) -> None:
    config = configured()
    run = open_run(config.output, {}, resume=False)
    with run.locked(), pytest.raises(TrainingError, match="another process"), run.locked():
        pass
