"""One study, one seed: prepare the silos, train privately, train the twin, compare on what was held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from experiments.comparison import Entry, compare, measure_twin
from experiments.dealing import deal, read_purchases
from experiments.holdout import Holdout, read_histories
from experiments.spec import FileData, StudySpec, WorldData
from experiments.twin import train_twin
from recsys.bundle.store import read_bundle
from recsys.data.split import Split, temporal_split
from recsys.errors import ConfigError
from recsys.seeds import derive_seed
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from training.config import TrainingConfig
from training.progress import Progress, silent
from training.run import TrainingResult, run_training


@dataclass(frozen=True)
class Prepared:
    """Silos on disk that hold the training side alone or are cut off in time, and what was held out."""

    federation: Path
    until: datetime | None
    holdouts: tuple[Holdout, ...]


@dataclass(frozen=True)
class StudyResult:
    """The private run and the figures of every method."""

    training: TrainingResult
    methods: Mapping[str, Entry]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what was spent, and figures by method."""
        report = self.training.report
        return {
            "person_epsilon": report["person_epsilon"],
            "delta": report["delta"],
            "silos": [{"name": name, **spent} for name, spent in report["silos"].items()],
            "quality": {name: dict(entry.values) for name, entry in self.methods.items()},
        }


def run_study(
    spec: StudySpec, *, seed: int, data: Path | None, work: Path, progress: Progress = silent
) -> StudyResult:
    """Run a study in the (empty or new) folder `work`. Errors: ConfigError, and those of `run_training`."""
    prepared = prepare(spec, seed=seed, data=data, work=work, progress=progress)
    config = training_config(spec, prepared, seed=seed, work=work)
    with twin_beside(config, prepared.holdouts) as twin:
        trained = run_training(config, progress=progress)
        progress("evaluation", 0, 1)
        methods = compare(read_bundle(trained.bundle_folder), prepared.holdouts)
        methods["non_private"] = twin.result()
    progress("evaluation", 1, 1)
    return StudyResult(trained, methods)


def prepare(
    spec: StudySpec, *, seed: int, data: Path | None, work: Path, progress: Progress = silent
) -> Prepared:
    """Write the study's silos into `work` and split off what is held out."""
    if isinstance(spec.data, WorldData):
        return _prepare_world(spec.data, seed, work / "world", spec.sample, progress)
    if data is None:
        raise ConfigError(
            f"study '{spec.name}' reads {spec.data.file}; give the folder that holds it with --data"
        )
    return _prepare_file(spec.data, data, work / "silos", spec.sample, seed)


def training_config(spec: StudySpec, prepared: Prepared, *, seed: int, work: Path) -> TrainingConfig:
    """The configuration of this study's run with this seed."""
    run = {"federation": prepared.federation, "output": work, "seed": seed, "until": prepared.until}
    return spec.training_config(**{key: value for key, value in run.items() if value is not None})


@contextmanager
def twin_beside(config: TrainingConfig, holdouts: Sequence[Holdout]) -> Iterator[Future[Entry]]:
    """Train and measure the non-private twin in a process of its own, while the private run goes on."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool.submit(_twin_entry, config, tuple(holdouts))


def _twin_entry(config: TrainingConfig, holdouts: Sequence[Holdout]) -> Entry:
    return measure_twin(train_twin(config), holdouts)


def world_config(data: WorldData, seed: int) -> WorldConfig:
    """The frozen world at this size; another seed is another world of the same kind."""
    base = WorldConfig()
    drawn = base.seed if seed == 0 else derive_seed(base.seed, "study", seed)
    if data.silos is None:
        return WorldConfig(seed=drawn, persons=data.persons, n_items=data.items)
    return WorldConfig.disjoint(data.silos, seed=drawn, persons=data.persons, n_items=data.items)


def _prepare_world(
    data: WorldData, seed: int, folder: Path, sample: int | None, progress: Progress
) -> Prepared:
    world = world_config(data, seed)
    federation = write_world(world, folder, lambda done, total: progress("world", done, total))
    first_held_out = world.last_day - timedelta(days=data.held_out_days - 1)
    until = datetime.combine(first_held_out, time(), UTC)
    loaded = FederationConfig.load(federation)
    catalogue, cutoff = loaded.read_catalogue(), int(until.timestamp())
    holdouts = []
    for config in loaded.silo_configs():
        histories, assortment = read_histories(config.base_silo(), catalogue)
        holdouts.append(Holdout(config.name, temporal_split(histories, cutoff), assortment))
    return Prepared(federation, until, _sampled(holdouts, sample, seed))


def _prepare_file(data: FileData, source: Path, folder: Path, sample: int | None, seed: int) -> Prepared:
    purchases = read_purchases(data, source)
    federation, split, silo_of = deal(purchases, data, folder)
    everything = np.ones(len(purchases.item_ids), bool)
    holdouts = [
        Holdout(f"silo-{silo}", _members(split, silo_of == silo), everything) for silo in range(data.silos)
    ]
    return Prepared(federation, None, _sampled(holdouts, sample, seed))


def _members(split: Split, members: np.typing.NDArray[np.bool_]) -> Split:
    return Split(split.train, split.targets, split.customers[members[split.customers]])


def _sampled(holdouts: Sequence[Holdout], sample: int | None, seed: int) -> tuple[Holdout, ...]:
    return tuple(h if sample is None else h.sample(sample, seed) for h in holdouts)
