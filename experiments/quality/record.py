"""A benchmark in MLflow: one run for the command, a nested run per seed, a plot of the methods in each."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.results_table import commit
from recsys.bundle.registry_mlflow import QUIET

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "thousandfaces-bench"
PARENT = "mlflow.parentRunId"


def bench_client(output: Path) -> tuple[MlflowClient, str]:
    """The tracking store of benchmarks in a folder, and the id of their experiment."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    output.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{(output / 'mlflow.db').absolute()}"
    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    where = str((output / "artifacts").absolute())
    return client, found.experiment_id if found else client.create_experiment(EXPERIMENT, where)


def record(output: Path, command: str, seeds: Mapping[int, Mapping[str, Any]]) -> str:
    """Record every seed's result (`QualityResult.to_dict`); returns the id of the command's run."""
    client, experiment = bench_client(output)
    first = next(iter(seeds.values()))
    name = f"{first['dataset']} {first['protocol']}"
    tags = {"command": command, "commit": commit(), "claim": "outside the claim"}
    parent: str = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    for seed, result in seeds.items():
        child = client.create_run(
            experiment, run_name=f"{name} seed {seed}", tags={**tags, PARENT: parent}
        ).info.run_id
        _log(client, child, result)
        client.set_terminated(child)
    client.set_terminated(parent)
    return parent


def _log(client: MlflowClient, run_id: str, result: Mapping[str, Any]) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    values = {
        f"{method}.{name}": value
        for method, figures in result["methods"].items()
        for name, value in figures.items()
        if isinstance(value, float)
    }
    values |= {name: result[name] for name in ("lift_kept", "seconds") if result[name] is not None}
    plain = ("dataset", "protocol", "customers", "items", "item_list", "silos", "epsilon", "delta", "seed")
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, 0) for name, value in values.items()],
        params=[Param(name, str(result[name])) for name in plain],
    )
    client.log_dict(run_id, dict(result), "result.json")
    with tempfile.TemporaryDirectory() as scratch:
        _plot(Path(scratch) / "methods.png", result)
        client.log_artifacts(run_id, scratch, "plots")


def _plot(path: Path, result: Mapping[str, Any]) -> None:
    """The headline metric of every method with its interval."""
    from matplotlib.figure import Figure

    metric, methods = result["headline"], result["methods"]
    values = [figures[metric] or 0.0 for figures in methods.values()]
    ends = [figures["intervals"][metric] for figures in methods.values()]
    below = [max(value - (low or value), 0.0) for value, (low, _) in zip(values, ends, strict=True)]
    above = [max((high or value) - value, 0.0) for value, (_, high) in zip(values, ends, strict=True)]
    figure = Figure(figsize=(7, 4), layout="tight")
    axes = figure.subplots()
    axes.barh(list(methods), values, xerr=[below, above])
    axes.invert_yaxis()
    axes.set(xlabel=metric.replace("_", " "), title=f"{result['dataset']}, {result['protocol']}")
    figure.savefig(path, dpi=90)
