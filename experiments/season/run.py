"""Worlds of more than a year, private seasons through the real training path, and others beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from experiments.holdout import concatenate, read_dataset
from experiments.quality.private import PRESETS, merged
from experiments.season.judged import WITHIN, Floats, Judged, gains, nearness, planted_factors, with_season
from experiments.season.report import (
    EXACT,
    PRIVATE,
    TRUTH,
    TWIN,
    WITHOUT,
    WORLDS,
    Methods,
    SeasonOptions,
    SeasonResult,
)
from experiments.twin import train_twin
from recsys.bundle.contents import Bundle
from recsys.bundle.store import read_bundle
from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.models.replenishment import IntervalModel
from recsys.models.season import Window, contribution
from recsys.models.season_fit import fit
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from training.config import TrainingConfig
from training.config_file import parse_config, read_toml
from training.progress import Progress, silent
from training.run import run_training

UNBOUNDED = 1e6  # squared days of one customer that count in full


def run_season_bench(
    options: SeasonOptions, seeds: Sequence[int], *, command: str, progress: Progress = silent
) -> SeasonResult:
    """Make, train and measure every seed's worlds. Errors: ConfigError, and those of `run_training`."""
    by_seed, spent = {}, 0.0
    for seed in seeds:
        by_seed[seed] = dict[str, Methods]()
        for kind in WORLDS:
            world = options.world(seed, kind)
            with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
                config = _config(options, seed, world, Path(work))
                trained = run_training(config, progress=progress)
                spent = max(spent, float(trained.report["person_epsilon"]))
                bundle, twin = read_bundle(trained.bundle_folder), train_twin(config)
                histories = _histories(config)
            by_seed[seed][kind] = _measured(world, config, histories, bundle, twin)
    return SeasonResult(options, command, spent, by_seed)


def _config(options: SeasonOptions, seed: int, world: WorldConfig, work: Path) -> TrainingConfig:
    run = {
        "federation": write_world(world, work / "world"),
        "output": work / "run",
        "seed": seed,
        "threads": 1,
        "until": world.start + timedelta(days=world.days - WITHIN),
        "privacy": {"epsilon": options.epsilon, "delta": options.delta},
    }
    preset = PRESETS / "season.toml"
    return parse_config(merged(read_toml(preset), run), source=str(preset))


def _histories(config: TrainingConfig) -> Histories:
    """All silos' customers who consent to be served, one after the other, on both sides of the cut-off."""
    federation = FederationConfig.load(config.federation)
    catalogue = federation.read_catalogue()
    silos = (silo.base_silo() for silo in federation.silo_configs())
    return concatenate([read_dataset(silo, catalogue)[0].histories for silo in silos])


def _measured(
    world: WorldConfig, config: TrainingConfig, histories: Histories, bundle: Bundle, twin: Bundle
) -> Methods:
    catalogue = bundle.catalogue
    truth = planted_factors(world.seasons, catalogue)
    day = int(world.start.timestamp()) // SECONDS_PER_DAY + world.days - WITHIN
    judged = Judged(histories, catalogue, day, np.abs(truth - 1.0).max(axis=1) > 1e-9)
    model, plain = (IntervalModel.from_arrays(made.intervals, catalogue) for made in (bundle, twin))
    exact = _exact(judged, config)
    seasons: dict[str, tuple[IntervalModel, Floats | None]] = {
        WITHOUT: (model, None),
        PRIVATE: (model, _factors(model)),
        TWIN: (plain, _factors(plain)),
        EXACT: (model, exact),
        TRUTH: (model, truth),
    }
    without = {id(made): judged.figures(with_season(made, None)) for made in (model, plain)}
    none, found = np.ones_like(truth), dict[str, dict[str, float]]()
    for name, (made, factors) in seasons.items():
        figures = judged.figures(with_season(made, factors))
        near = nearness(none if factors is None else factors, truth)
        found[name] = near | figures | gains(figures, without[id(made)])
    return found


def _factors(model: IntervalModel) -> Floats | None:
    return None if model.season is None else model.season.factors


def _exact(judged: Judged, config: TrainingConfig) -> Floats | None:
    """The same seasons made of exact counts: no bound cuts any customer, and no noise is added."""
    window = Window(judged.day, config.season.years)
    days = contribution(judged.known, judged.catalogue, window, full_days=UNBOUNDED)
    return fit(days, 0.0, window, full_days=UNBOUNDED)
