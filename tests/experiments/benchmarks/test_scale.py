from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.benchmarks import scale, scale_jobs, scale_quality
from experiments.benchmarks.scale import cost_table, exponents, main, run_size, verdict
from experiments.benchmarks.scale_jobs import Size, make_world
from experiments.benchmarks.scale_quality import Judged, lift
from experiments.comparison import Entry
from experiments.quality.figures import Figures
from recsys.silos.config import FederationConfig


def state(seconds: float, megabytes: float = 100.0) -> dict[str, Any]:
    training = {"seconds": seconds, "cpu_seconds": 2.0, "stages": {"towers": 1.0}, "load": 0.5}
    spent = {"peak_rss_mb": megabytes, "epsilon": 2.0, "delta": 1e-6}
    return {"world": {"seconds": 1.0}, "training": {**training, **spent}}


def test_growth_is_told_by_exponents() -> None:
    assert exponents({100: 10.0, 10: 1.0, 1000: 1000.0}) == pytest.approx(
        {"10 to 100": 1.0, "100 to 1,000": 2.0}
    )
    assert exponents({100: 10.0}) == {}


def test_every_bar_is_judged() -> None:
    assert verdict({10: state(10), 100: state(90)}) == {"minutes": True, "memory": True, "growth": True}
    missed = verdict({10: state(10), 1000: state(3700, 9000)})
    assert missed == {"minutes": False, "memory": False, "growth": False}
    kept = {"quality": {"lift": {"recall_at_20": {"kept": 0.79}}}}
    assert not verdict({10: state(10) | kept})["lift kept"]
    assert len(cost_table({10: state(10), 100: state(90)})) == 4


def figures(value: float, *, private: bool) -> Figures:
    entry = Entry(private, {"recall_at_20": value}, {})
    return Figures(entry, 0.0, 0.0, {}, 0.0, {})


def test_the_share_of_lift_is_against_the_best_non_private_method() -> None:
    found = {
        "private": figures(0.3, private=True),
        "popularity": figures(0.1, private=False),
        "ease": figures(0.35, private=False),
        "non_private_twin": figures(0.32, private=False),
    }
    told = lift(found, "recall_at_20")
    assert told == {"kept": pytest.approx(0.8), "best": "ease", "best_value": 0.35, "popularity": 0.1}
    assert lift({n: found[n] for n in ("private", "popularity")}, "recall_at_20")["kept"] is None


def test_the_expected_batch_does_not_grow_with_the_customers(tmp_path: Path) -> None:
    for customers in (50_000, 1_000_000):
        size = Size(customers, 300, 4, 2.0, tmp_path)
        (tmp_path / "world").mkdir(exist_ok=True)
        assert size.training().towers.sampling_rate * customers == pytest.approx(2_000)
    assert Size(100, 300, 4, 2.0, tmp_path).training().towers.sampling_rate == 0.1


def test_customers_are_judged_on_purchases_after_the_cut_off(tmp_path: Path) -> None:
    size = Size(400, 300, 3, 2.0, tmp_path / "size")
    assert make_world(size)["bytes"] > 0
    federation = FederationConfig.load(size.federation)
    assert federation.max_silos_per_person == 1
    judged = Judged.read(size, pool=10_000, sample=50)
    trial, cutoff = judged.trial, int(size.until.timestamp())
    assert len(trial.customers) == len(judged.silos) == 50
    assert trial.shown.times.max() < cutoff <= trial.wanted.times.min()
    assert judged.gram is not None
    sold = judged.assortments[judged.silo_of[judged.everything.rows], judged.everything.items]
    assert sold.all()
    owners = np.diag(judged.gram)
    before = trial.learned
    assert owners.sum() == len(np.unique(before.rows * trial.n_items + before.items))


def test_what_has_been_measured_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = list[str]()

    def measured(job: Any, *_: Any, **__: Any) -> dict[str, Any]:
        done.append(job.__name__)
        if job is scale_jobs.train_the_twin and len(done) == 3:
            raise KeyboardInterrupt
        return {"seconds": 1.0, "bundle": "x"}

    monkeypatch.setattr(scale, "measured", measured)
    size = Size(400, 300, 3, 2.0, tmp_path / "size")
    with pytest.raises(KeyboardInterrupt):
        run_size(size, quality=True, pool=10, sample=10)
    assert set(run_size(size, quality=True, pool=10, sample=10)) == {"world", "training", "twin", "quality"}
    assert done == ["make_world", "train", "train_the_twin", "train_the_twin", "judge"]


def test_the_command_reports_and_says_whether_bars_are_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = {10: state(10), 100: state(5000)}
    monkeypatch.setattr(scale, "run_size", lambda size, **_: states[size.customers])
    arguments = ["--customers", "10,100", "--work", str(tmp_path), "--results", str(tmp_path / "t.md")]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output)["passed"] == {"minutes": False, "memory": True, "growth": False}
    told = (tmp_path / "t.md").read_text()
    assert "minutes MISSED, memory met, growth MISSED" in told
    assert f"10 to 100 {math.log10(500):.2f}" in told
    assert "customers" in str(CliRunner().invoke(main, ["--customers", "many"]).exception)


def test_a_size_is_trained_and_judged_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "small.toml"
    config.write_text("[towers]\nsteps = 2\nembedding_dim = 4\n[copurchase]\ntop_items = 60\nrank = 4\n")
    monkeypatch.setattr(scale_jobs, "CONFIG", config)
    monkeypatch.setattr(scale_quality, "BASELINES", {"popularity": scale_quality.BASELINES["popularity"]})
    monkeypatch.setattr(
        scale, "measured", lambda job, *a, **o: job(*a, **o) | {"peak_rss_mb": 1.0, "load": 0.0}
    )
    found = run_size(Size(400, 300, 3, 2.0, tmp_path / "size"), quality=True, pool=10_000, sample=60)
    assert found["training"]["epsilon"] <= 2.0
    assert found["training"]["max_silos_per_person"] == 1
    assert set(found["quality"]["methods"]) == {"private", "non_private_twin", "popularity"}
    assert found["quality"]["evaluated"] == 60
    folder = Path(found["training"]["bundle"]).parent
    assert "one store group alone" in json.loads((folder / "statement.json").read_text())["assumptions"][-1]
