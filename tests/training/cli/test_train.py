import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from recsys.errors import ConfigError, ThousandFacesError
from training.checkpoint import open_run
from training.cli.release import promote, publish
from training.cli.train import as_record, summary, train


def call(command, *arguments: object) -> str:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


@pytest.fixture
def copied(trained, tmp_path: Path) -> Path:
    """The output folder of a finished run, to publish from."""
    return Path(shutil.copytree(trained.config.output, tmp_path / "out"))


def test_training_prints_one_json_object_on_stdout(
    world: Path, small_settings: list[str], new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    output = new_output(tmp_path / "out")
    settings = [part for setting in small_settings for part in ("--set", setting)]
    shown = call(train, "--federation", world / "federation.toml", "--output", output, *settings, "--json")
    report = json.loads(shown)
    assert report["within_target"]
    assert (Path(report["bundle"]) / "manifest.json").exists()


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        call(train, "--federation", tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match=r"towers\.steps"):
        call(train, "--set", "towers.steps=none")


def test_the_summary_says_what_it_cost_whom_and_what_comes_next(trained) -> None:
    text = summary(trained.result)
    for part in ("promised at most 4", "up to 2 silos", "northmarket", "alias 'candidate'", "promote"):
        assert part in text
    assert "Warning" not in text
    assert as_record(trained.result)["run_id"] == trained.result.run_id


def test_the_summary_warns_of_what_went_beyond_the_plan(trained) -> None:
    from dataclasses import replace

    beyond = {
        "within_target": False,
        "unconfirmed_silos": ["citygrocer", "northmarket"],
        "shortened_ledgers": ["northmarket"],
        "missed_rounds": {"carehouse": 2},
        "left_out": {"season": "nobody said"},
    }
    text = summary(replace(trained.result, report={**trained.result.report, **beyond}))
    assert "charged again" in text
    assert "citygrocer did not send receipts" in text
    assert "the ledger of northmarket says less than it said before" in text
    assert "carehouse missed 2 rounds" in text
    assert "Note: season was left out: nobody said." in text


def test_publishing_again_keeps_the_version_and_another_registry_makes_its_own(
    copied: Path, new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    again = json.loads(call(publish, "latest", "--output", copied, "--json"))
    assert (again["version"], again["alias"]) == (1, "candidate")
    uri = f"sqlite:///{new_output(tmp_path / 'other') / 'mlflow.db'}"
    text = call(publish, "latest", "--name", "shop", "--output", copied, "--tracking-uri", uri)
    assert "'candidate' of shop is now version 1" in text


def test_promotion_points_the_alias_at_a_version_or_at_another_alias(copied: Path) -> None:
    assert "champion" in call(promote, "thousandfaces", "--output", copied)
    moved = json.loads(call(promote, "thousandfaces@1", "--alias", "beta", "--output", copied, "--json"))
    assert (moved["version"], moved["alias"]) == (1, "beta")


def test_a_run_or_a_release_that_is_not_there_is_wrong_input(copied: Path) -> None:
    wrong = {
        (publish, "nosuch"): "run 'nosuch' is not one of the runs",
        (publish, open_run(copied, {}, resume=False).run_id): "is running and has no bundle",
        (publish, "latest", "--name", "a/b"): "letters, digits",
        (publish, "latest", "--alias", "a b"): "alias name: 'a b'",
        (promote, "thousandfaces@9"): "version=9",
        (promote, "thousandfaces@nobody"): "alias nobody not found; check",
        (promote, "nosuch@1"): "nosuch",
        (promote, "a/b@1"): "names no registered bundle",
    }
    for (command, *arguments), words in wrong.items():
        with pytest.raises(ThousandFacesError, match=words) as caught:
            call(command, *arguments, "--output", copied)
        assert caught.value.exit_code == 2, arguments


def test_without_a_registry_promotion_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no registry is here yet"):
        call(promote, "thousandfaces", "--output", tmp_path)
