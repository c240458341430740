from pathlib import Path

import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from recsys.errors import BundleError, ConfigError
from serving.demand.cli import demand
from serving.demand.rows import SCHEMA
from tests.serving.builder import N_ITEMS, make_world
from tests.serving.demand.builder import AREAS, SHARES, with_demand


def run(*arguments: str | Path) -> str:
    told = CliRunner().invoke(demand, ["forecast", *map(str, arguments)], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.output


def test_a_silos_items_for_three_horizons(tmp_path: Path) -> None:
    _, silo = make_world(tmp_path / "world")
    out = tmp_path / "demand.parquet"
    told = run("--bundle", with_demand(tmp_path), "--silo", silo, "--out", out)
    assert told == f"450 rows in {out}\n"
    table = pq.read_table(out)
    assert table.schema.equals(SCHEMA)
    for row in table.to_pylist():
        assert row["silo"] == "north"
        assert row["expected"] == pytest.approx(row["days"] * SHARES[AREAS.index(row["area"])], rel=1e-5)
        assert row["low"] <= row["expected"] <= row["high"]


def test_all_silos_as_csv_scaled_by_the_share_of_sales(tmp_path: Path) -> None:
    out = tmp_path / "demand.csv"
    run("--bundle", with_demand(tmp_path), "--out", out, "--days", "7", "--share", "0.5")
    rows = csv.read_csv(out).to_pylist()
    assert len(rows) == 3 * N_ITEMS
    assert {round(row["expected"], 4) for row in rows} == {round(7 * share / 0.5, 4) for share in SHARES}


def test_what_cannot_be_written(tmp_path: Path) -> None:
    plain, silo = make_world(tmp_path / "world", name="south")
    with pytest.raises(BundleError, match="train with a share for 'demand'"):
        run("--bundle", plain, "--out", tmp_path / "demand.csv")
    with pytest.raises(ConfigError, match="silo 'south' has no demand forecast; there are north"):
        run("--bundle", with_demand(tmp_path), "--silo", silo, "--out", tmp_path / "demand.csv")
    with pytest.raises(ConfigError, match="unknown ending"):
        run("--bundle", plain, "--out", tmp_path / "demand.xls")
    assert not list(tmp_path.glob("*.csv"))
    for wrong in (["--days", "0"], ["--days", "nan"], ["--share", "0"]):
        told = CliRunner().invoke(demand, ["forecast", "--bundle", "x", "--out", "y.csv", *wrong])
        assert told.exit_code == 2
