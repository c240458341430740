"""The benchmark of fusion: one budget for every form, weights as post-processing, resumable."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from experiments.benchmarks import fusion
from experiments.benchmarks.fusion import Benchmark, Cell, gain, main, reweighted, summary, table
from experiments.benchmarks.scoring import bundle_of
from experiments.quality.private import PRESETS, Settings
from experiments.quality.protocols import Protocol
from recsys.bundle.index import build_index
from recsys.errors import ConfigError
from training.config_file import parse_config

CUSTOMERS, ITEMS = 120, 110
STEPS = "[towers]\nsteps = 2\n"
SMALL = {
    "towers": STEPS,
    "co-purchase": "[fusion]\ntowers = 0.0\ncopurchase = 2.0\n"
    "[privacy.shares]\ncopurchase = 0.95\ntowers = 0.0\n",
    "both": f"{STEPS}[fusion]\ncopurchase = 2.0\n[privacy.shares]\ncopurchase = 0.35\ntowers = 0.6\n",
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small set of baskets, and trainings of a few steps."""
    overlays = {}
    for form, text in SMALL.items():
        overlays[form] = tmp_path / f"{form}.toml"
        overlays[form].write_text(text)
    monkeypatch.setattr(fusion, "OVERLAYS", overlays)
    folder, random = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    baskets = np.concatenate([random.choice(ITEMS, 10, replace=False) for _ in range(CUSTOMERS)])
    customers = np.repeat(np.arange(CUSTOMERS), 10)
    table = {"customer_id": customers.astype(str), "item_id": baskets.astype(str)}
    pq.write_table(pa.table(table), folder / "transactions.parquet")
    return folder


def test_the_forms_spend_the_same_in_total_and_in_the_shares_that_they_say() -> None:
    configs = {
        form: Settings.of(Protocol.BASKET_COMPLETION, overlay).values
        for form, overlay in fusion.OVERLAYS.items()
    }
    shares = {form: config["privacy"]["shares"] for form, config in configs.items()}
    for form in fusion.OVERLAYS:
        assert sum(shares[form].values()) == pytest.approx(1.0)
        parse_config({**configs[form], "federation": PRESETS / "federation.toml"}, source=form)
    assert shares["towers"]["copurchase"] == 0.0
    assert shares["co-purchase"]["towers"] == 0.0
    assert shares["both"]["copurchase"] > 0.0 < shares["both"]["towers"]
    assert (
        shares["both"]["popularity"] == shares["towers"]["popularity"] == shares["co-purchase"]["popularity"]
    )


def test_a_fusion_weight_scales_one_block_and_the_index_follows() -> None:
    bundle = bundle_of(300)
    start, stop = bundle.manifest.blocks["copurchase"]
    changed = reweighted(bundle, "copurchase", 2.0)
    factors = np.ones(bundle.vectors.shape[1], np.float32)
    factors[start:stop] = 2.0
    assert np.array_equal(changed.vectors, factors * bundle.vectors)
    rebuilt = build_index(changed.vectors, changed.log_popularity)
    assert changed.index.to_bytes() == rebuilt.to_bytes() != bundle.index.to_bytes()


def test_the_command_measures_every_form_once_and_continues(data: Path, tmp_path: Path) -> None:
    results, work = tmp_path / "fusion.md", tmp_path / "work"
    arguments = ["--data", str(data), "--research-data", "--epsilons", "8", "--silos", "2", "--seeds", "0"]
    arguments += ["--work", str(work), "--results", str(results), "--validation"]
    first = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    (kept,) = (work / "validation").iterdir()
    scores = json.loads(kept.read_text())
    assert set(scores) == {"towers", "co-purchase", *(f"both {2.0 * factor:g}" for factor in fusion.FACTORS)}
    assert all(0.0 < value < 1.0 for value in scores.values())
    assert "validation customers" in results.read_text()
    kept.write_text(json.dumps({**scores, "towers": 0.5}))
    again = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert "0.5000" in again.output
    assert "towers" not in again.stderr


def test_validation_customers_are_no_test_customers(data: Path) -> None:
    test = Benchmark.read(data, items=ITEMS, delta=1e-6, on_validation=False)
    chosen = Benchmark.read(data, items=ITEMS, delta=1e-6, on_validation=True)
    tested = set(test.data.customer_ids[test.trial.customers])
    assert tested.isdisjoint(chosen.data.customer_ids[chosen.trial.customers])
    assert tested.isdisjoint(chosen.data.customer_ids[chosen.trial.learners])


def test_the_gain_is_of_the_best_fusion_over_the_better_part() -> None:
    scores = {"towers": 0.2, "co-purchase": 0.1, "both 1": 0.19, "both 2": 0.21}
    assert gain(scores) == pytest.approx(1.05)
    found = {Cell(2.0, 1, seed): scores for seed in range(3)}
    assert table(found)[-1].endswith("| 1.050 (1.050, 1.050, 1.050) |")
    assert "1.050 to 1.050" in summary(found)[1]


def test_research_data_have_to_be_confirmed(data: Path) -> None:
    with pytest.raises(ConfigError, match="confirm with --research-data"):
        CliRunner().invoke(main, ["--data", str(data)], catch_exceptions=False)
