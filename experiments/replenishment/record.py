"""A replenishment benchmark in MLflow: a run for the command, a nested one per seed, with plots and JSON."""

from __future__ import annotations

import tempfile
import time
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.quality.record import PARENT, bench_client
from experiments.replenishment.plots import reliability_plot
from experiments.results_table import commit

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from experiments.replenishment.report import Replenishment


def record(output: Path, found: Replenishment, plots: Path | None = None) -> str:
    """Record the figures of every seed; returns the id of the command's run.

    plots: where the reliability plot of the first seed is written too, None for nowhere
    """
    client, experiment = bench_client(output)
    name = f"{found.dataset} replenishment"
    tags = {"command": found.command, "commit": commit(), "claim": "outside the claim"}
    parent: str = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    client.log_dict(parent, found.to_dict(), "result.json")
    for seed in found.by_seed:
        child = client.create_run(experiment, run_name=f"{name} seed {seed}", tags={**tags, PARENT: parent})
        _log(client, child.info.run_id, found, seed)
        client.set_terminated(child.info.run_id)
    client.set_terminated(parent)
    if plots is not None:
        reliability_plot(plots, name, next(iter(found.by_seed.values())))
    return parent


def _log(client: MlflowClient, run_id: str, found: Replenishment, seed: int) -> None:
    from mlflow.entities import Metric, Param

    now, options = int(time.time() * 1000), found.options
    metrics = [
        Metric(f"{method}.{name}", value, now, 0)
        for method, figures in found.by_seed[seed].items()
        for name, value in figures.values.items()
        if isfinite(value)
    ]
    params = {
        "dataset": found.dataset,
        "silos": found.silos,
        "epsilon": options.epsilon,
        "delta": options.delta,
        "seed": seed,
        "pairs": found.pairs,
    }
    client.log_batch(run_id, metrics=metrics, params=[Param(n, str(v)) for n, v in params.items()])
    with tempfile.TemporaryDirectory() as scratch:
        reliability_plot(Path(scratch) / "reliability.png", found.dataset, found.by_seed[seed])
        client.log_artifacts(run_id, scratch, "plots")
