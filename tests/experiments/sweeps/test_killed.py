"""A killed sweep goes on where it stopped: seen in a real process, its records, MLflow and its report."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from experiments.sweeps.frontier import read_frontier
from experiments.sweeps.tracking import PARENT_TAG, SWEEPS, TRIAL_TAG
from tests.experiments.sweeps.conftest import TINY
from training.tracking import EXPERIMENT

PATIENCE = 240.0


@dataclass(frozen=True)
class Killed:
    """A sweep's folder, the record that was there when it was killed, and what the second start printed."""

    folder: Path
    first: Path
    before: bytes
    printed: dict[str, Any]
    said: str


def command(spec: Path, folder: Path) -> list[str]:
    program = Path(sys.executable).with_name("thousandfaces")
    return [str(program), "experiment", "sweep", str(spec), "--output", str(folder), "--json"]


@pytest.fixture(scope="module")
def killed(new_output: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    root = tmp_path_factory.mktemp("killed")
    folder, spec = new_output(root / "out"), root / "tiny.toml"
    spec.write_text(TINY)
    # A session of its own, so that the killed process's child, the twin's trainer, can be ended too.
    process = subprocess.Popen(
        command(spec, folder),
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(
            lambda: list((folder / "trials").glob("*.json")) and list(folder.glob("work/*/world")), process
        )
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
        (first,) = (folder / "trials").glob("*.json")
        before = first.read_bytes()
        done = subprocess.run(
            command(spec, folder), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        yield Killed(folder, first, before, json.loads(done.stdout), done.stderr)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def wait_for(seen: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not seen():
        assert process.poll() is None, "the sweep ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_finished_trials_are_kept_and_half_done_ones_redone(killed: Killed) -> None:
    assert killed.first.read_bytes() == killed.before
    assert "1 of 2 trials had finished before: kept" in killed.said
    assert killed.printed["failed"] == 0
    assert [trial["cell"]["epsilon"] for trial in killed.printed["trials"]] == [1.0, 8.0]
    for trial in killed.printed["trials"]:
        assert trial["status"] == "finished"
        assert trial["stamp"] == "simulated data"
        assert trial["privacy"]["person_epsilon"] <= trial["cell"]["epsilon"]
        assert {"private", "non_private_twin", "popularity", "personal_top"} <= set(trial["figures"])
    assert len(list((killed.folder / "trials").iterdir())) == 2


def test_the_trials_saw_one_world(killed: Killed) -> None:
    one, other = (trial["figures"] for trial in killed.printed["trials"])
    assert one["popularity"] == other["popularity"]
    assert one["non_private_twin"] == other["non_private_twin"]


def test_runs_in_mlflow_are_nested(killed: Killed) -> None:
    client = MlflowClient(f"sqlite:///{killed.folder / 'mlflow.db'}")
    sweeps, trainings = (
        client.search_runs([client.get_experiment_by_name(name).experiment_id])
        for name in (SWEEPS, EXPERIMENT)
    )
    parents = [run for run in sweeps if PARENT_TAG not in run.data.tags]
    children = [run for run in sweeps if PARENT_TAG in run.data.tags]
    (parent,) = parents
    assert parent.info.status == "FINISHED"
    assert [artifact.path for artifact in client.list_artifacts(parent.info.run_id)] == ["report.html"]
    assert {run.data.tags[PARENT_TAG] for run in children} == {parent.info.run_id}
    by_key = {run.data.tags[TRIAL_TAG]: run for run in children}
    assert len(by_key) == len(children) == 2
    for trial in killed.printed["trials"]:
        run = by_key[trial["key"]]
        assert run.data.params["epsilon"] == str(trial["cell"]["epsilon"])
        assert run.data.metrics["private.recall_at_10"] == trial["figures"]["private"]["recall_at_10"]
        (training,) = (r for r in trainings if r.data.tags.get(PARENT_TAG) == run.info.run_id)
        assert training.info.run_name == trial["training_run"]


def test_the_report_has_the_numbers_of_the_trials(killed: Killed) -> None:
    page = (killed.folder / "report.html").read_text(encoding="utf-8")
    for trial in killed.printed["trials"]:
        for method in ("private", "non_private_twin", "popularity", "personal_top"):
            for metric in ("recall_at_10", "ndcg_at_10", "new_recall_at_20"):
                assert f">{trial['figures'][method][metric]:.4f}<" in page
    assert read_frontier(killed.folder).facts()[0] == "simulated data; of 2 trials 2 finished, 0 failed"
