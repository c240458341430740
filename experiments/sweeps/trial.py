"""One trial, run for real: on a simulated world, on research data, or charged on real silos."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.comparison import Entry
from experiments.quality.run import QualityOptions, run_quality
from experiments.spec import StudySpec
from experiments.study import run_study
from experiments.sweeps.grid import Trial
from experiments.sweeps.methods import LIFT, POPULARITY, PRIVATE, STUDY_LIFT, TWIN, lift_kept
from experiments.sweeps.spec import CellSpec, FolderData, SiloData
from recsys.errors import ConfigError
from recsys.privacy.statement import DataKind
from recsys.silos.config import FederationConfig
from training.checkpoint import runs
from training.config import TrainingConfig
from training.config_file import parse_config
from training.coordinator import data_kind
from training.progress import Progress
from training.research import STAMP
from training.run import run_training
from training.tracking import flat

STUDY_NAMES = {"non_private": TWIN}
POPULARITY_PREFIX = f"{POPULARITY}_"
SPENT = ("person_epsilon", "person_epsilon_lifetime", "delta", "max_silos_per_person")


@dataclass(frozen=True)
class Means:
    """What trials are run with: where runs on real silos are kept, where MLflow records, research data."""

    output: Path
    tracking_uri: str
    data: Path | None = None
    research_data: bool = False


@dataclass(frozen=True)
class Outcome:
    """figures: by method, then by metric; privacy: what was spent; training_run: the private run's id."""

    figures: Mapping[str, Mapping[str, float]]
    privacy: Mapping[str, Any]
    training_run: str


def stamp(spec: CellSpec, *, research_data: bool) -> str:
    """What may be claimed of a trial's figures.

    Raises ConfigError for research data, declared by the study or by the federation, that nobody confirmed.
    """
    if spec.data.source == "simulated":
        return "simulated data"
    if not isinstance(spec.data, SiloData):
        if not research_data:
            raise ConfigError(
                f"data of source '{spec.data.source}': real purchases, whose figures are outside the privacy "
                "claim; confirm with --research-data"
            )
        return f"research data, {STAMP}"
    config = silo_config(spec, research_data=research_data)
    kind = data_kind(config, FederationConfig.load(config.federation))
    words = {
        DataKind.RESEARCH: f"research data, {STAMP}",
        DataKind.SIMULATED: "silos with simulated data, noised and charged",
    }
    return words.get(kind, "silos' own customers, noised and charged")


def silo_config(spec: CellSpec, *, research_data: bool, **run: Any) -> TrainingConfig:
    """The training configuration of a run on real silos. Raises ConfigError if it would measure nothing."""
    if not isinstance(spec.data, SiloData):
        raise ConfigError(f"data of source '{spec.data.source}' are no silos; give data.source = 'silos'")
    given = {"federation": spec.data.federation, "research_data": research_data, **run}
    config = parse_config({**spec.training, **given}, source="section 'training'")
    if not config.held_out:
        raise ConfigError(
            "key 'training.privacy.shares.metrics', value 0: trials on real silos are measured by a noised "
            "and charged sum; give it a share, and 'training.until'"
        )
    return config


def run_trial(trial: Trial, work: Path, means: Means, progress: Progress) -> Outcome:
    """Run a trial in the folder `work`. Raises what a study, a benchmark or a training run raises."""
    if isinstance(trial.spec.data, SiloData):
        return _charged(trial, means, progress)
    if isinstance(trial.spec.data, FolderData):
        return _benchmark(trial, trial.spec.data, work, means, progress)
    run = {"tracking_uri": means.tracking_uri, "research_data": means.research_data}
    spec = StudySpec(
        name="trial",
        data=trial.spec.data,
        training={**trial.spec.training, **run},
        sample=trial.spec.sample,
    )
    result = run_study(spec, seed=trial.seed, data=means.data, work=work, progress=progress)
    named = {STUDY_NAMES.get(name, name): _known(entry) for name, entry in result.methods.items()}
    figures = {name: named[name] for name in trial.methods}
    kept = lift_kept(figures, STUDY_LIFT)
    return Outcome(_with_lift(figures, kept), _spent(result.training.report), result.training.run_id)


def _benchmark(trial: Trial, data: FolderData, work: Path, means: Means, progress: Progress) -> Outcome:
    if means.data is None:
        raise ConfigError("data of source 'folder': give the data set's folder with --data")
    privacy, config = trial.config.privacy, work / "training.toml"
    settings = {**trial.spec.training, "tracking_uri": means.tracking_uri}
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in flat(settings).items()))
    options = QualityOptions(
        data=means.data,
        protocol=data.protocol,
        silos=str(data.silos),
        epsilon=privacy.epsilon,
        delta=privacy.delta,
        seed=trial.seed,
        items=data.items,
        cutoff=data.cutoff,
        config=config,
        methods=trial.methods,
        max_silos_per_person=data.max_silos_per_person,
    )
    result = run_quality(options, work, progress=progress)
    figures = {name: _known(found.entry) for name, found in result.methods.items()}
    run_id = runs(work / "run")[-1].run_id
    return Outcome(_with_lift(figures, result.lift_kept), _spent(result.report), run_id)


def _charged(trial: Trial, means: Means, progress: Progress) -> Outcome:
    run = {"output": means.output, "seed": trial.seed, "tracking_uri": means.tracking_uri}
    config = silo_config(trial.spec, research_data=means.research_data, **run)
    # A run that was killed goes on where it stopped: what it had finished is not charged again.
    result = run_training(config, progress=progress)
    figures: dict[str, dict[str, float]] = {PRIVATE: {}, POPULARITY: {}}
    for name, value in result.report["metrics"].items():
        method = POPULARITY if name.startswith(POPULARITY_PREFIX) else PRIVATE
        figures[method][name.removeprefix(POPULARITY_PREFIX)] = float(value)
    return Outcome(figures, _spent(result.report), result.run_id)


def _known(entry: Entry) -> dict[str, float]:
    """The figures that had something to be found."""
    return {name: value for name, value in entry.values.items() if not math.isnan(value)}


def _with_lift(figures: dict[str, dict[str, float]], kept: float | None) -> Mapping[str, Mapping[str, float]]:
    return figures if kept is None else {**figures, PRIVATE: {**figures[PRIVATE], LIFT: kept}}


def _spent(report: Mapping[str, Any]) -> dict[str, Any]:
    silos = {name: spent["epsilon"] for name, spent in report["silos"].items()}
    return {name: report[name] for name in SPENT} | {"silos": silos}
