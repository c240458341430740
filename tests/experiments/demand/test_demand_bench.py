"""Forecasts of sales judged by what a simulated world sold, through the real training path."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.demand.judged import Sold, by_area, figures
from experiments.demand.report import COLUMNS, METHODS, DemandOptions
from experiments.quality.cli import bench
from recsys.errors import ConfigError
from recsys.models.demand import DAYS, PERIODS
from recsys.models.demand_forecast import Forecast
from tests.recsys.histories_builder import make_histories

END = 100
SOLD = Sold(
    make_histories([(END, 0), (END + 6, 1), (END + 7, 1), (END + 28, 1), (END - 1, 0), (END - 30, 1)]),
    ("",),
    np.array([True, True, False]),
    END,
)


def of(values: list[float], width: float) -> dict[int, Forecast]:
    expected = np.array([values])
    return {
        weeks: Forecast(
            weeks * DAYS, ("",), expected * weeks, expected * weeks - width, expected * weeks + width
        )
        for weeks in PERIODS
    }


def test_units_are_counted_from_the_cut_off() -> None:
    assert SOLD.units(1).tolist() == [[1, 1, 0]]
    assert SOLD.units(4).tolist() == [[1, 2, 0]]
    assert SOLD.units(4, ago=4).tolist() == [[1, 0, 0]]


def test_figures_and_areas() -> None:
    found = figures({"north": of([1.0, 0.5, 0.0], 0.6)}, {"north": SOLD})
    assert found["wape_7"] == pytest.approx(0.5 / 2)
    assert found["wape_14"] == pytest.approx((1.0 + 1.0) / 3)
    assert found["coverage_80_7"] == 1.0
    assert found["coverage_80_14"] == 0.0
    assert by_area({"north": of([1.0, 0.5, 0.0], 0.6)}, {"north": SOLD}, 1) == {
        "north, elsewhere": (2.0, 0.25)
    }
    assert np.isnan(figures({"north": of([1.0, 0.5, 0.0], np.nan)}, {"north": SOLD})["coverage_80"])


def test_bounds_grow_with_silos_and_options_are_checked() -> None:
    small, large = (DemandOptions(persons=persons).bounds() for persons in (40_000, 400_000))
    assert all(small[name] < large[name] for name in small)
    for wrong in ({"persons": 100}, {"silos": 0}):
        with pytest.raises(ConfigError):
            DemandOptions(**wrong)


def test_the_command_writes_tables_and_json(tmp_path: Path) -> None:
    sizes = ["--persons", "1500", "--items", "240", "--silos", "2", "--epsilon", "1"]
    file = tmp_path / "table.md"
    told = CliRunner().invoke(bench, ["demand", *sizes, "--results", str(file), "--json"])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    assert answer["epsilon_spent"] <= 1
    assert set(answer["methods"]) == set(METHODS)
    private, exact = answer["methods"]["private"], answer["methods"]["exact_counts"]
    assert private["private"]
    assert exact["wape"] < private["wape"] < 1.0
    assert exact["wape"] < answer["methods"]["last_weeks"]["wape"]
    assert 0.7 < exact["coverage_80"] < 0.95
    assert 0.65 < private["coverage_80"] < 0.92
    table = file.read_text()
    assert all(column in table for column in COLUMNS)
    assert "| group-1, area 1 |" in table
