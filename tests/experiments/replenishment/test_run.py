"""The benchmark from a folder to figures, and what of a folder or an option does not fit."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.holdout import read_histories
from experiments.quality.cli import bench
from experiments.quality.silos import Budget, by_customer, deal
from experiments.quality.tables import read_purchases
from experiments.replenishment.methods import METHODS, Known, _best
from experiments.replenishment.options import ReplenishmentOptions
from experiments.replenishment.poisson_gamma import GammaPrior, poisson_gamma
from experiments.replenishment.protocol import cut
from experiments.replenishment.report import Replenishment
from experiments.replenishment.run import run_all
from recsys.errors import ConfigError
from recsys.silos.config import FederationConfig
from tests.experiments.replenishment.data import DAY, write_shop


def test_a_small_run(tmp_path: Path) -> None:
    options, results = ReplenishmentOptions(write_shop(tmp_path / "shop"), 2, 4.0), tmp_path / "shop.md"
    made = run_all(
        options,
        [0],
        command="thousandfaces bench replenishment",
        research_data=True,
        output=tmp_path / "runs",
        plots=tmp_path / "plots" / "shop.png",
    )
    found = json.loads(json.dumps(made.to_dict()))
    assert found["dataset"] == "shop"
    assert found["silos"] == 2
    assert found["epsilon"] == 4
    assert 0 < found["epsilon_spent"] <= 4
    assert found["seeds"] is None
    assert set(found["methods"]) == set(METHODS)
    for name, figures in found["methods"].items():
        assert figures["private"] is (name == "private")
        for key in ("log_loss_14", "auc_14", "ece_14", "brier_30", "mae_days", "mae_restricted_days"):
            assert figures[key] >= 0.0
        low, high = figures["intervals"]["log_loss_14"]
        assert low <= figures["log_loss_14"] <= high
        assert 0.0 <= figures["due_recall_at_10"] <= 1.0
        assert 0.0 < figures["ece_by_chance_14"] < 0.1
    for trees in ("boosted", "boosted_rich"):
        assert found["methods"][trees]["log_loss_14"] < found["methods"]["category_gap"]["log_loss_14"]
        ratio = found["methods"]["private"]["log_loss_14"] / found["methods"][trees]["log_loss_14"]
        assert found["against"][f"log_loss_14_over_{trees}"] == pytest.approx(ratio)
        low, high = found["against_intervals"][f"log_loss_14_over_{trees}"]
        assert low < ratio < high
    made.write(results)
    assert "outside the claim" in results.read_text()
    assert (tmp_path / "plots" / "shop.png").stat().st_size > 10_000
    assert (tmp_path / "runs" / "mlflow.db").is_file()
    _medians_over_seeds(made)


def _medians_over_seeds(made: Replenishment) -> None:
    figures = made.by_seed[0]
    worse = {
        seed: {
            name: replace(found, values={**found.values, "log_loss_14": found.values["log_loss_14"] + seed})
            for name, found in figures.items()
        }
        for seed in range(3)
    }
    several = replace(made, by_seed=worse).to_dict()
    assert several["methods"]["private"]["log_loss_14"] == 1 + figures["private"].values["log_loss_14"]
    assert set(several["seeds"]) == {"0", "1", "2"}


def test_the_command_asks_for_a_confirmation(tmp_path: Path) -> None:
    data = write_shop(tmp_path)
    with pytest.raises(ConfigError, match="confirm with --research-data"):
        CliRunner().invoke(bench, ["replenishment", "--data", str(data)], catch_exceptions=False)


def test_the_cut_off_is_a_public_rule(tmp_path: Path) -> None:
    data = read_purchases(write_shop(tmp_path, days=400))
    first = int(data.histories.times.min()) // DAY
    last = int(data.histories.times.max()) // DAY
    assert cut(data).day == first + round(0.8 * (last + 1 - first))
    assert cut(data, date(1970, 4, 1)).day == 90
    short = read_purchases(write_shop(tmp_path / "short", days=100))
    assert cut(short).ahead == 30


def test_what_comes_after_is_not_known(tmp_path: Path) -> None:
    made = cut(read_purchases(write_shop(tmp_path)))
    assert (made.known.times < made.day * DAY).all()
    assert (made.pairs.elapsed >= 1).all()
    later = np.isfinite(made.next)
    assert later.any()
    assert (made.next[later] < made.ahead).all()


def test_the_data_sets_own_test_part_is_left_out(tmp_path: Path) -> None:
    rows = len(read_purchases(write_shop(tmp_path)).histories.items)
    split = np.where(np.arange(rows) % 10 == 0, "next", "history")
    data = read_purchases(write_shop(tmp_path, split=split))
    assert len(cut(data).histories.items) == (split == "history").sum()


def test_units_reach_the_silos(tmp_path: Path) -> None:
    rows = len(read_purchases(write_shop(tmp_path)).histories.items)
    units = [None if row % 3 == 0 else float(1 + row % 3) for row in range(rows)]
    data = read_purchases(write_shop(tmp_path, quantity=units))
    assert sorted(set(data.histories.quantities)) == [1.0, 2.0, 3.0]
    trial = cut(data).trial
    dealt = deal(data, trial, by_customer(data, trial, 1), Budget(1.0, 1e-6), tmp_path / "silos")
    federation = FederationConfig.load(dealt.federation)
    silo = federation.silo_configs()[0].base_silo()
    histories = read_histories(silo, federation.read_catalogue())[0]
    assert np.array_equal(histories.quantities, trial.learned.quantities)


def test_variants_are_chosen_before_the_cut_off(tmp_path: Path) -> None:
    data = read_purchases(write_shop(tmp_path))
    made = cut(data)
    seen = []

    def make(pairs, *, by_item):  # type: ignore[no-untyped-def]
        seen.append(pairs.day)
        return poisson_gamma(pairs, GammaPrior.fit(pairs, by_item=by_item))

    _best(Known(made.known, made.pairs, data.catalogue), make, ({"by_item": False}, {"by_item": True}))
    assert seen == [made.day - 14, made.day - 14, made.day]


@pytest.mark.parametrize(
    ("columns", "cutoff", "words"),
    [
        ({"timestamp": None}, None, "column 'timestamp' is missing"),
        ({}, date(1969, 1, 1), "--cutoff 1969-01-01: 30 days of data are needed"),
        ({}, date(1970, 6, 1), "--cutoff 1970-06-01: 30 days of data are needed"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, columns: dict[str, None], cutoff: date, words: str) -> None:
    data = read_purchases(write_shop(tmp_path, **columns))
    with pytest.raises(ConfigError, match=words):
        cut(data, cutoff)


def test_short_data_and_single_purchases_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="30 days are needed before the cut-off and 30 after it"):
        cut(read_purchases(write_shop(tmp_path, days=45)))
    few = read_purchases(write_shop(tmp_path))
    rows = len(few.histories.items)
    once = read_purchases(write_shop(tmp_path, customer_id=np.arange(rows)))
    with pytest.raises(ConfigError, match="nobody bought an item on two days before"):
        cut(once)


def test_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--methods 'magic': unknown"):
        ReplenishmentOptions(tmp_path, 4, 1.0, methods=("magic",))
    with pytest.raises(ConfigError, match="--silos 0"):
        ReplenishmentOptions(tmp_path, 0, 1.0)
    options = ReplenishmentOptions(write_shop(tmp_path), 2, 1.0)
    with pytest.raises(ConfigError, match="confirm with --research-data"):
        run_all(options, [0], command="", research_data=False, output=tmp_path / "runs")
