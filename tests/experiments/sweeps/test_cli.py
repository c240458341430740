"""`thousandfaces experiment`: where on the grid, what is said at the end, and the exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from experiments.sweeps.cli import experiment
from recsys.errors import ConfigError, TrainingError
from tests.experiments.sweeps.test_charges import SPEC


def call(*arguments: object) -> str:
    done = CliRunner().invoke(experiment, [str(argument) for argument in arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_place_on_the_grid_is_an_axis_and_one_of_its_values(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"write AXIS=VALUE, with an axis of .*epsilon"):
        call("run", tiny, "--at", "silos=3")
    for wrong in (["--at", "epsilon=3"], ["--at", "epsilon=much"], ["--at", "epsilon=8", "--trial", "1"]):
        with pytest.raises(ConfigError, match="no trial of the sweep is like that"):
            call("run", tiny, *wrong, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failed_trial_is_an_exit_code_of_its_own(
    world: Path, new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    spec = world.parent / "real.toml"
    spec.write_text(SPEC.replace("threads = 1", "threads = 1\nquorum = 9"))
    out = new_output(tmp_path / "out")
    with pytest.raises(
        TrainingError, match=r"1 of 1 trial failed, the first with ConfigError: .*quorum"
    ) as found:
        call("run", spec, "--at", "epsilon=2", "--charge", "--output", out)
    assert found.value.exit_code == 4
    (record,) = (json.loads(path.read_bytes()) for path in (out / "trials").iterdir())
    assert record["cell"] == {"epsilon": 2.0}
    assert record["made"]["command"] == f"thousandfaces experiment run {spec} --at epsilon=2 --charge"


def test_the_report_of_several_sweeps(swept: Callable[..., Path], tmp_path: Path) -> None:
    folders = [swept({"epsilon": [1.0, 8.0]}), swept({"customers": [100, 900]})]
    page, table = tmp_path / "both.html", tmp_path / "both.md"
    shown = call("report", *folders, "--html", page, "--results", table)
    assert shown == f"Report: {page}, tables: {table}\n"
    for file in (page, table):
        text = file.read_text(encoding="utf-8")
        assert "Recall@10 against epsilon" in text
        assert "Recall@10 against number of customers" in text
