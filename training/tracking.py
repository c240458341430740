"""The run in MLflow: settings, public curves, plots, the bundle as a version, and the alias 'candidate'."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.bundle.registry_mlflow import QUIET, MlflowRegistry, Release
from training.checkpoint import RunFolder
from training.config import TrainingConfig
from training.session import Session

if TYPE_CHECKING:
    from mlflow import MlflowClient


CANDIDATE = "candidate"
RUN_TAG = "thousandfaces.run_id"
EXPERIMENT = "thousandfaces"

Curves = Mapping[str, Sequence[float]]


def tracking_uri(config: TrainingConfig) -> str:
    """Where runs are recorded: as configured, or an SQLite file in the output folder."""
    return config.tracking_uri or f"sqlite:///{(config.output / 'mlflow.db').absolute()}"


def record_run(session: Session, report: Mapping[str, Any], curves: Curves) -> Release:
    """Record a run and register its bundle as a new version with the alias 'candidate'.

    Doing it again (after an interruption) replaces the half-made record and finds the version already there.
    Only public or noised numbers are recorded. Raises RegistryError.
    """
    config, folder = session.config, session.folder
    uri = tracking_uri(config)
    registry = MlflowRegistry(uri)
    with session.stage("tracking"):
        run_id = _record(uri, config, folder, report, curves)
        release = registry.publish(folder.bundle, config.model_name, run_id=run_id)
        return registry.set_alias(config.model_name, CANDIDATE, release.version)


def record_void(session: Session, reason: str) -> None:
    """Record that a run is void: a failed run with the reason, no model. Raises RegistryError."""
    client, experiment = _opened(tracking_uri(session.config), session.config)
    tags = {RUN_TAG: session.folder.run_id, "void": reason, "plan_fingerprint": session.plan.fingerprint()}
    run = client.create_run(experiment, run_name=session.folder.run_id, tags=tags)
    client.set_terminated(run.info.run_id, "FAILED")


def _record(
    uri: str, config: TrainingConfig, folder: RunFolder, report: Mapping[str, Any], curves: Curves
) -> str:
    client, experiment = _opened(uri, config)
    for stale in client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{folder.run_id}'"):
        client.delete_run(stale.info.run_id)
    run = client.create_run(experiment, run_name=folder.run_id, tags=_tags(folder, report))
    run_id: str = run.info.run_id
    _log_numbers(client, run_id, config, report, curves)
    with tempfile.TemporaryDirectory() as scratch:
        _plots(Path(scratch), report, curves)
        client.log_artifacts(run_id, scratch, "plots")
    for name in ("plan.json", "statement.json", "registry_entry.json"):
        client.log_artifact(run_id, str(folder.path / name))
    client.set_terminated(run_id)
    return run_id


def _opened(uri: str, config: TrainingConfig) -> tuple[MlflowClient, str]:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    client = MlflowClient(uri, uri)
    return client, _experiment(client, config)


def _experiment(client: MlflowClient, config: TrainingConfig) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    beside = None if config.tracking_uri else str((config.output / "artifacts").absolute())
    return str(client.create_experiment(EXPERIMENT, beside))


def _tags(folder: RunFolder, report: Mapping[str, Any]) -> dict[str, str]:
    claim = "outside the claim" if report["data_kind"] == "research" else "see the privacy statement"
    heads = {f"ledger_head.{silo}": head for silo, head in report["ledger_heads"].items()}
    fixed = {"data_kind": report["data_kind"], "claim": claim, "plan_fingerprint": report["plan_fingerprint"]}
    return {RUN_TAG: folder.run_id, **fixed, **heads}


def _log_numbers(
    client: MlflowClient, run_id: str, config: TrainingConfig, report: Mapping[str, Any], curves: Curves
) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    values = {f"seconds.{stage}": seconds for stage, seconds in report["seconds"].items()}
    values |= {f"epsilon.{silo}": spent["epsilon"] for silo, spent in report["silos"].items()}
    values |= {f"charged.{name}": value for name, value in report["metrics"].items()}
    values |= {name: report[name] for name in ("person_epsilon", "person_epsilon_lifetime", "target_epsilon")}
    metrics = [Metric(name, float(value), now, 0) for name, value in values.items()]
    metrics += [
        Metric(name, float(value), now, step)
        for name, curve in curves.items()
        for step, value in enumerate(curve)
    ]
    params = [Param(name, str(value)) for name, value in flat(config.model_dump(mode="json")).items()]
    for start in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    client.log_batch(run_id, params=params)


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys."""
    pairs: dict[str, Any] = {}
    for key, value in tree.items():
        pairs |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return pairs


def _plots(folder: Path, report: Mapping[str, Any], curves: Curves) -> None:
    """Public curves over rounds, and what each silo spent, as PNG."""
    from matplotlib.figure import Figure

    for name, curve in curves.items():
        figure = Figure(figsize=(6, 3.5))
        axes = figure.subplots()
        axes.plot(range(1, len(curve) + 1), curve)
        axes.set(xlabel="round", ylabel=name.replace("_", " "))
        figure.savefig(folder / f"{name}.png", dpi=80)
    figure = Figure(figsize=(6, 3.5))
    axes = figure.subplots()
    axes.barh(list(report["silos"]), [spent["epsilon"] for spent in report["silos"].values()])
    axes.axvline(report["person_epsilon"], linestyle="--", label="worst-off person")
    axes.set(xlabel=f"epsilon of this run at delta {report['delta']:g}")
    axes.legend()
    figure.savefig(folder / "epsilon.png", dpi=80)
