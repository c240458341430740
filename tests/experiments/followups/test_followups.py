"""Found rules beside planted ones, through the real training path."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.followups.planted import PLANTED, Found
from experiments.followups.report import METHODS, WORLDS, FollowupOptions
from experiments.quality.cli import bench
from recsys.errors import ConfigError
from recsys.models.followup_rules import FollowUp

TEA = PLANTED[1]
RIGHT = FollowUp(TEA.first, TEA.second, 0, 30, TEA.chance / 2, 0.01)
WRONG = FollowUp(TEA.second, TEA.first, 0, 30, 0.1, 0.01)


def test_precision_recall_and_days() -> None:
    found = Found.of((RIGHT, WRONG), PLANTED)
    assert (found.rules, found.right) == (2, 1)
    assert (found.precision, found.recall) == (0.5, 1 / len(PLANTED))
    assert (found.lag_error_days, found.covers, found.chance_ratio) == (1.0, 1.0, 0.5)
    assert Found.of((), PLANTED) == Found(0, 0, None, 0.0, None, None, None)
    assert Found.of((WRONG,), ()) == Found(1, 0, 0.0, None, None, None, None)


def test_the_worlds_differ_in_what_is_planted_alone() -> None:
    options = FollowupOptions(persons=400, items=240, silos=2)
    planted, without = (options.world(1, kind) for kind in WORLDS)
    assert (planted.follow_ups, without.follow_ups) == (PLANTED, ())
    assert planted.seed == without.seed != options.world(0, "planted").seed
    for wrong in ({"persons": 100}, {"silos": 0}):
        with pytest.raises(ConfigError):
            FollowupOptions(**wrong)


def test_the_command_writes_table_and_json(tmp_path: Path) -> None:
    sizes = ["--persons", "400", "--items", "240", "--silos", "2", "--epsilon", "4"]
    file = tmp_path / "table.md"
    told = CliRunner().invoke(bench, ["followups", *sizes, "--results", str(file), "--json"])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert answer["epsilon_spent"] <= 4
    assert set(answer["seeds"]["0"]) == set(WORLDS)
    for methods in answer["seeds"]["0"].values():
        assert set(methods) == set(METHODS)
        assert all(figures["rules"] == len(figures["published"]) for figures in methods.values())
    table = file.read_text()
    assert "| planted | private |" in table
    assert "Made by `" in table
