"""What is kept of an audit: a file that reads back, rows in ledgers that charge nothing, a run in MLflow."""

import json

import pytest
from mlflow import MlflowClient

from recsys.errors import ConfigError
from recsys.privacy.ledger import Ledger
from tests.training.audit.results import make_result
from training.audit.canaries import STAMP
from training.audit.record import find, load, record_in_ledgers, record_in_mlflow, save


def test_a_result_reads_back_from_its_folder_and_from_the_output(tmp_path):
    result = make_result()
    folder = save(result, tmp_path)
    assert load(folder) == result
    assert find(tmp_path) == find(folder) == find(folder / "audit.json") == folder
    assert json.loads((folder / "audit.json").read_text())["stamp"] == STAMP


def test_a_finding_without_a_figure_is_kept_as_valid_json(tmp_path):
    result = make_result(alarm=9.0)
    folder = save(result, tmp_path)
    assert load(folder) == result
    refused = json.loads((folder / "audit.json").read_text())["checks"][-1]
    assert refused["measured"] is None


def test_the_latest_audit_is_found(tmp_path):
    older, newer = (make_result(audit_id=f"2026010{day}T000000-aaaaaa") for day in (1, 2))
    for result in (newer, older):
        save(result, tmp_path)
    assert load(find(tmp_path)) == newer


def test_what_is_no_audit_is_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="holds no audit; run: thousandfaces audit run"):
        find(tmp_path)
    folder = save(make_result(), tmp_path)
    (folder / "audit.json").write_text('{"audit_id": 3}')
    with pytest.raises(ConfigError, match="is no audit"):
        load(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--output"):
        save(make_result(), tmp_path / "file")


def test_a_ledgers_row_says_what_was_proved_and_charges_nothing(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    rows = record_in_ledgers(make_result(), {"shop": ledger})
    (row,) = ledger.rows()
    assert (row.kind, row.silo, row.id) == ("audit", "shop", rows["shop"])
    assert row.details["bounds"] == {
        "one_run.4": 2.4,
        "one_run.8": 4.8,
        "step.towers.4": 2.8,
        "step.towers.8": 5.6,
    }
    assert row.details["audit_ok"] is True
    assert row.details["stamp"] == STAMP
    assert ledger.events() == ()
    assert ledger.verify().ok


def test_a_failed_audit_is_recorded_as_failed():
    summary = make_result(alarm=9.0).summary()
    assert summary["audit_ok"] is False
    assert summary["failed"] == ["sampling", "step.towers.4", "step.towers.8"]


def test_mlflow_keeps_the_bounds_and_the_files(tmp_path, new_output):
    output = new_output(tmp_path / "out")
    folder = save(make_result(), output)
    uri = f"sqlite:///{output / 'mlflow.db'}"
    run_id = record_in_mlflow(make_result(), folder, uri, output / "artifacts")
    run = MlflowClient(uri).get_run(run_id)
    assert run.data.metrics["audit.one_run.8"] == 4.8
    assert run.data.metrics["audit.failed"] == 0
    assert run.data.tags["claim"] == STAMP
    assert (output / "artifacts" / run_id / "artifacts" / "audit" / "audit.json").exists()
