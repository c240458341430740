"""Sweeps over a research folder: confirmed, stamped, split by a protocol, settings over its preset."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.sweeps.grid import load_sweep, trials
from experiments.sweeps.runner import SweepOptions, run_sweep
from experiments.sweeps.spec import SweepSpec
from recsys.errors import ConfigError

SPEC = """\
name = "folder"
seeds = 1
methods = ["popularity", "personal_top", "gp_topfreq"]
metrics = ["recall_at_10", "lift_kept"]

[data]
source = "folder"
protocol = "next-basket"
silos = 2

[training]
threads = 1
blend.cap = 2.5

[grid]
epsilon = [4.0]
"""


@pytest.fixture
def spec(tmp_path: Path) -> SweepSpec:
    path = tmp_path / "folder.toml"
    path.write_text(SPEC)
    return load_sweep(path)


@pytest.fixture
def purchases(tmp_path: Path) -> Path:
    """A folder with 150 customers who buy four baskets each, mostly of the same items."""
    random, rows = np.random.default_rng(0), []
    for customer in range(150):
        usual = random.zipf(1.4, 8) % 120
        for order in range(4):
            items = {*random.choice(usual, 4), int(random.zipf(1.4) % 120)}
            rows += [(f"c{customer}", f"i{item}", order) for item in items]
    customers, items, orders = zip(*rows, strict=True)
    folder = tmp_path / "data"
    folder.mkdir()
    table = pa.table({"customer_id": customers, "item_id": items, "order_no": orders})
    pq.write_table(table, folder / "baskets.parquet")
    return folder


def test_settings_stand_over_the_preset_of_the_protocol(spec: SweepSpec) -> None:
    (trial,) = trials(spec, source="")
    assert trial.config.privacy.shares.as_dict() == {"popularity": 1.0}
    assert trial.config.blend.cap == 2.5
    assert trial.config.privacy.epsilon == 4.0
    assert trial.methods == ("private", "popularity", "personal_top", "gp_topfreq")


def test_another_folder_makes_another_trial(spec: SweepSpec) -> None:
    assert trials(spec, source="", place="/a")[0].key != trials(spec, source="", place="/b")[0].key


def test_a_research_folder_is_measured_and_stamped(
    spec: SweepSpec, purchases: Path, new_output: Callable[[Path], Path], tmp_path: Path
) -> None:
    out = new_output(tmp_path / "out")
    with pytest.raises(ConfigError, match="confirm with --research-data"):
        run_sweep(spec, SweepOptions(out, "folder.toml", "x", data=purchases))
    options = SweepOptions(out, "folder.toml", "x", data=purchases, research_data=True)
    (record,) = run_sweep(spec, options).records
    assert record.error is None
    assert record.stamp == "research data, outside the claim"
    assert set(record.figures) == {"private", "popularity", "personal_top", "gp_topfreq"}
    values = {name: found["recall_at_10"] for name, found in record.figures.items()}
    gained = max(values["personal_top"], values["gp_topfreq"], values["popularity"]) - values["popularity"]
    kept = (values["private"] - values["popularity"]) / gained
    assert record.figures["private"]["lift_kept"] == pytest.approx(kept)
    assert record.privacy["person_epsilon"] <= 4.0
    assert set(record.privacy["silos"]) == {"silo-0", "silo-1"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "outside the claim" in page
    assert f">{kept:.4f}<" in page
