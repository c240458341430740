"""Found seasons beside planted ones, through the real training path."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.quality.cli import bench
from experiments.season.judged import PLANTED, gains, nearness, planted_factors
from experiments.season.report import LAST_DAYS, METHODS, PRIVATE, WITHOUT, WORLDS, SeasonOptions
from recsys.errors import ConfigError
from tests.recsys.histories_builder import make_catalogue

CATALOGUE = make_catalogue(["tea", "bread", "water", "soap"])
TRUTH = planted_factors(PLANTED, CATALOGUE)


def test_planted_factors_are_of_the_catalogues_categories() -> None:
    names = CATALOGUE.category_codes[1]
    np.testing.assert_allclose(TRUTH.mean(axis=1), 1.0)
    assert TRUTH[names.index("tea")].argmax() == 0
    assert TRUTH[names.index("water")].argmax() == 6
    assert (TRUTH[names.index("bread")] == 1.0).all()


def test_nearness_is_of_logs_and_tells_seasonal_categories_from_flat_ones() -> None:
    half = nearness(np.exp(0.5 * np.log(TRUTH)), TRUTH)
    assert (half["correlation"], half["slope"]) == (pytest.approx(1.0), pytest.approx(0.5))
    assert half["error_flat"] == 0.0
    assert half["error_seasonal"] > 0.05
    none = nearness(np.ones_like(TRUTH), np.ones_like(TRUTH))
    assert np.isnan([none[name] for name in ("correlation", "slope", "error_seasonal")]).all()
    better = gains({"log_loss": 0.4, "log_loss_seasonal": 0.3}, {"log_loss": 0.5, "log_loss_seasonal": 0.5})
    assert better == {"gain": pytest.approx(0.1), "gain_seasonal": pytest.approx(0.2)}


def test_the_worlds_differ_in_what_is_planted_alone() -> None:
    options = SeasonOptions(persons=400, items=240, silos=2)
    planted, without = (options.world(1, kind) for kind in WORLDS)
    assert (planted.seasons, without.seasons) == (PLANTED, ())
    assert planted.seed == without.seed != options.world(0, "planted").seed
    assert planted.last_day == LAST_DAYS[1]
    assert planted.days > 365 + 60
    for wrong in ({"persons": 100}, {"silos": 0}):
        with pytest.raises(ConfigError):
            SeasonOptions(**wrong)


def test_the_command_writes_tables_and_json(tmp_path: Path) -> None:
    sizes = ["--persons", "300", "--items", "240", "--silos", "2", "--epsilon", "4"]
    file = tmp_path / "table.md"
    told = CliRunner().invoke(bench, ["season", *sizes, "--results", str(file), "--json"])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert answer["epsilon_spent"] <= 4
    assert set(answer["seeds"]["0"]) == set(WORLDS)
    for methods in answer["seeds"]["0"].values():
        assert set(methods) == set(METHODS)
        assert methods[WITHOUT]["gain"] == 0.0
    assert answer["seeds"]["0"]["planted"]["exact_counts"]["correlation"] > 0.5
    assert "correlation" not in answer["seeds"]["0"]["without"][PRIVATE]
    table = file.read_text()
    assert "| private |" in table
    assert "Made by `" in table
