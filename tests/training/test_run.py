"""What a finished run has made, spent, recorded and said of itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from recsys.bundle.registry_mlflow import MlflowRegistry
from recsys.bundle.store import read_bundle
from recsys.models.replenishment import IntervalModel
from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from tests.training.worlds import Configured
from training import gradient_rounds
from training.run import run_training
from training.tracking import tracking_uri


def test_the_bundle_holds_what_was_trained(trained) -> None:
    bundle = read_bundle(trained.result.bundle_folder)
    config = trained.config
    assert bundle.version == trained.result.report["model_version"]
    assert set(bundle.manifest.blocks) == {"copurchase", "towers", "profile"}
    start, stop = bundle.manifest.blocks["towers"]
    assert stop - start == config.towers.embedding_dim
    assert np.exp(bundle.log_popularity).sum() == pytest.approx(1, abs=1e-4)
    assert bundle.manifest.sequence.decay == config.sequences.decay
    assert bundle.manifest.metrics is None
    assert set(bundle.intervals) == {"mean", "variance", "hazard", "appeals"}
    assert IntervalModel.from_arrays(bundle.intervals, bundle.catalogue).learned is not None


def test_what_was_spent_is_what_was_planned(trained) -> None:
    report, plan = trained.result.report, trained.result.plan
    assert report["person_epsilon"] == pytest.approx(plan.epsilon(), rel=1e-6)
    assert report["within_target"]
    assert report["person_epsilon"] <= 4
    assert report["unconfirmed_silos"] == []
    for spent in report["silos"].values():
        # One release each for six statistics, three rounds, and towers in blocks of 2, 2 and 1 steps.
        assert spent["reservations"] == 12
        assert spent["epsilon"] < report["person_epsilon"]


def test_the_statement_is_in_the_bundle_and_its_summary_in_the_manifest(trained) -> None:
    bundle = read_bundle(trained.result.bundle_folder)
    assert bundle.statement["stamp"].startswith("simulated")
    assert bundle.manifest.privacy_statement["id"] == bundle.statement["id"]
    assert bundle.statement["heads"] == trained.result.report["ledger_heads"]


def test_the_run_is_recorded_with_public_numbers_and_registered(trained) -> None:
    from mlflow import MlflowClient

    report, uri = trained.result.report, tracking_uri(trained.config)
    found = MlflowRegistry(uri).resolve("models:/thousandfaces@candidate")
    assert (found.version, found.model_version) == (report["model"]["version"], report["model_version"])
    assert found.run_id is not None
    client = MlflowClient(uri)
    run = client.get_run(found.run_id)
    assert run.data.params["towers.steps"] == "5"
    assert run.data.metrics["person_epsilon"] == pytest.approx(report["person_epsilon"])
    assert len(client.get_metric_history(found.run_id, "update_norm")) == 5
    assert not any("loss" in name or "recall" in name for name in run.data.metrics)
    told = {"plan.json", "statement.json", "registry_entry.json"}
    assert {f.path for f in client.list_artifacts(found.run_id)} == {"bundle", "plots", *told}


def test_progress_covers_every_stage(trained) -> None:
    finished = {stage for stage, done, total in trained.shown if done == total}
    assert {
        "plan",
        "popularity",
        "intervals",
        "rhythm",
        "season",
        "followups",
        "demand",
        "copurchase",
        "towers",
        "bundle",
        "tracking",
    } <= finished


def test_the_coordinator_mirrors_every_receipt(trained) -> None:
    mirrored = Ledger(trained.result.folder / "ledger.db").mirrored()
    assert {name: len(events) for name, events in mirrored.items()} == {
        name: spent["reservations"] for name, spent in trained.result.report["silos"].items()
    }
    assert json.loads((trained.result.folder / "report.json").read_text()) == trained.result.report


def test_items_start_and_move_with_their_category(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def keep(towers, gradient) -> None:
        seen.append((towers.parameters, gradient))
        raise KeyboardInterrupt

    config = configured("towers.init_shared=1", "towers.gradient_shared=10")
    monkeypatch.setattr(gradient_rounds.Towers, "apply", keep)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    categories = FederationConfig.load(world / "federation.toml").read_catalogue().categories
    places = np.unique(categories, return_inverse=True)[1]
    for values in seen[0]:
        rows = values.reshape(-1, config.towers.embedding_dim)[: len(places)]
        within = np.concatenate([rows[places == place].std(axis=0) for place in np.unique(places)])
        assert within.mean() < 0.2 * rows.std()


def test_every_charge_says_what_it_was_for_and_the_mirror_which_model_came_of_it(trained) -> None:
    report, config = trained.result.report, trained.config
    silos = FederationConfig.load(config.federation).silo_configs()
    charged = [row for silo in silos for row in Ledger(silo.ledger).rows() if row.kind == "reserve"]
    hashes = {row.details["config_hash"] for row in charged}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64
    assert {row.details["window"] for row in charged} == {"all events"}
    assert {row.details["purpose"] for row in charged} == {"training"}
    assert all(row.details["code_hash"] and row.details["dependency_hash"] for row in charged)
    (model,) = [row for row in Ledger(trained.result.folder / "ledger.db").rows() if row.kind == "model"]
    assert model.details["model_version"] == report["model_version"]
    assert model.details["run_id"] == trained.result.run_id
    assert model.details["plan_fingerprint"] == report["plan_fingerprint"]
