"""A sweep in MLflow: the sweep is the parent, a trial its child, the trial's private training the child's."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.sweeps.folder import SweepFolder, TrialRecord
from recsys.bundle.registry_mlflow import QUIET
from recsys.errors import RegistryError
from training.tracking import EXPERIMENT, RUN_TAG, flat

if TYPE_CHECKING:
    from mlflow import MlflowClient

SWEEPS = "thousandfaces-sweeps"
SWEEP_TAG, TRIAL_TAG, PARENT_TAG = "thousandfaces.sweep", "thousandfaces.trial", "mlflow.parentRunId"
LONGEST, MOST_CHILDREN = 1000, 50_000
RUNNING, FINISHED, FAILED = "RUNNING", "FINISHED", "FAILED"


@dataclass(frozen=True)
class SweepTracking:
    """The sweep's parent run, and what makes its children."""

    client: MlflowClient
    uri: str
    experiments: tuple[str, str]
    parent: str

    @classmethod
    def opened(cls, folder: SweepFolder, uri: str, name: str, tags: Mapping[str, str]) -> SweepTracking:
        """The folder's parent run, made the first time and found again when a sweep goes on.

        Raises RegistryError if MLflow cannot be reached, as every method here.
        """
        os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
        from mlflow import MlflowClient

        with _named(uri):
            client = MlflowClient(uri, uri)
            local = folder.artifacts if uri == folder.tracking_uri else None
            sweeps, runs = (_experiment(client, title, local) for title in (SWEEPS, EXPERIMENT))
            mine = {SWEEP_TAG: _name(folder.path), **tags}
            found = client.search_runs([sweeps], f"tags.`{SWEEP_TAG}` = '{mine[SWEEP_TAG]}'")
            parent = found[0].info.run_id if found else client.create_run(sweeps, run_name=name).info.run_id
            client.update_run(parent, status=RUNNING)
            for key, value in mine.items():
                client.set_tag(parent, key, value)
            return cls(client, uri, (sweeps, runs), parent)

    def recorded(self) -> frozenset[str]:
        """The keys of the trials that are children of the sweep by now."""
        with _named(self.uri):
            children = self.client.search_runs(
                [self.experiments[0]], f"tags.`{PARENT_TAG}` = '{self.parent}'", max_results=MOST_CHILDREN
            )
            return frozenset(run.data.tags[TRIAL_TAG] for run in children)

    def record(self, record: TrialRecord, methods: Sequence[str]) -> None:
        """A trial as a child of the sweep; a record of an earlier attempt at it is replaced."""
        with _named(self.uri):
            self._forget(record.key)
            self._record(record, methods)

    def _record(self, record: TrialRecord, methods: Sequence[str]) -> None:
        tags = {PARENT_TAG: self.parent, TRIAL_TAG: record.key, "stamp": record.stamp, **record.made}
        if record.error:
            tags["error"] = record.error[:LONGEST]
        name = ", ".join([*(f"{axis} {value}" for axis, value in record.cell.items()), f"#{record.number}"])
        child = self.client.create_run(self.experiments[0], run_name=name, tags=tags).info.run_id
        self._log(child, record, methods)
        self._adopt(child, record)
        self.client.set_terminated(child, FINISHED if record.finished else FAILED)

    def close(self, *, failed: int, report: Path) -> None:
        """End the sweep's run; `report` is kept with it."""
        with _named(self.uri):
            self.client.log_artifact(self.parent, str(report))
            self.client.set_terminated(self.parent, FAILED if failed else FINISHED)

    def _forget(self, key: str) -> None:
        mine = f"tags.`{TRIAL_TAG}` = '{key}' and tags.`{PARENT_TAG}` = '{self.parent}'"
        for stale in self.client.search_runs([self.experiments[0]], mine):
            self.client.delete_run(stale.info.run_id)

    def _log(self, child: str, record: TrialRecord, methods: Sequence[str]) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        figures = {name: values for name, values in record.figures.items() if name in methods}
        epsilon = {"person_epsilon": record.privacy["person_epsilon"]} if record.finished else {}
        numbers: dict[str, Any] = {"seconds": record.seconds, **epsilon, **flat(figures)}
        metrics = [Metric(_safe(name), float(value), now, 0) for name, value in numbers.items()]
        params = {**record.cell, "trial": record.number, "seed": record.seed}
        self.client.log_batch(
            child, metrics=metrics, params=[Param(name, str(value)) for name, value in params.items()]
        )

    def _adopt(self, child: str, record: TrialRecord) -> None:
        """The private run's own record, made by the training, becomes the trial's child."""
        if record.training_run is None:
            return
        mine = f"tags.`{RUN_TAG}` = '{record.training_run}'"
        for run in self.client.search_runs([self.experiments[1]], mine):
            self.client.set_tag(run.info.run_id, PARENT_TAG, child)


@contextmanager
def _named(uri: str) -> Iterator[None]:
    """Failures of MLflow as errors of one line."""
    try:
        yield
    except Exception as error:
        line = " ".join(str(error).split()) or type(error).__name__
        raise RegistryError(f"{uri}: {line[:LONGEST]}; check the tracking URI") from error


def _experiment(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(name, str(artifacts) if artifacts else None))


def _name(path: Path) -> str:
    """A folder's name in a search, whatever characters are in its path."""
    return hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:20]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_./ -]", "_", name)
