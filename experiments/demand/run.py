"""Worlds, private forecasts of their sales through the real training path, and what those are set beside."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.demand.judged import Forecasts, Sold, by_area, figures
from experiments.demand.report import EXACT, LAST_WEEKS, METHODS, PRIVATE, TWIN, DemandOptions, DemandResult
from experiments.quality.private import PRESETS, merged
from experiments.twin import train_twin
from recsys.bundle.contents import Bundle
from recsys.bundle.store import read_bundle
from recsys.data.history import SECONDS_PER_DAY
from recsys.data.vocab import Catalogue
from recsys.errors import BundleError
from recsys.models.demand import DAYS, PERIODS, contribution
from recsys.models.demand_fit import SiloFacts, fit
from recsys.models.demand_forecast import DemandModel, Forecast
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.files import write_world
from training.config import TrainingConfig
from training.config_file import parse_config, read_toml
from training.loading import load
from training.places import public_fields, read_facts
from training.progress import Progress, silent
from training.run import run_training
from training.scopes import demand_scope

UNBOUNDED = 1e5  # units that no customer buys; sums are on a grid of 2^-32 of it
NAIVE_WEEKS = 4


def run_demand_bench(
    options: DemandOptions, seeds: Sequence[int], *, command: str, progress: Progress = silent
) -> DemandResult:
    """Make, train and measure every seed's world. Errors: ConfigError, and those of `run_training`."""
    by_seed, areas, spent = {}, {}, 0.0
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
            config = _config(options, seed, Path(work))
            trained = run_training(config, progress=progress)
            spent = max(spent, float(trained.report["person_epsilon"]))
            bundle, catalogue = (
                read_bundle(trained.bundle_folder),
                read_bundle(trained.bundle_folder).catalogue,
            )
            twin = _model(train_twin(config))
            sold = _sold(config, catalogue)
        forecasts = {
            EXACT: _of(_exact(config, bundle, sold)),
            PRIVATE: _of(_model(bundle)),
            TWIN: _of(twin),
            LAST_WEEKS: {silo: _naive(truth) for silo, truth in sold.items()},
        }
        found = {name: figures(forecasts[name], sold) for name in METHODS}
        by_seed[seed] = {name: values | _ratios(values, found[EXACT]) for name, values in found.items()}
        areas[seed] = {name: by_area(forecasts[name], sold, PERIODS[0]) for name in (EXACT, PRIVATE)}
    return DemandResult(options, command, spent, by_seed, areas)


def _config(options: DemandOptions, seed: int, work: Path) -> TrainingConfig:
    world = options.world(seed)
    run = {
        "federation": write_world(world, work / "world"),
        "output": work / "run",
        "seed": seed,
        "threads": 1,
        "until": world.start + timedelta(days=world.days - max(PERIODS) * DAYS),
        "privacy": {"epsilon": options.epsilon, "delta": options.delta},
        "demand": options.bounds(),
    }
    preset = PRESETS / "demand.toml"
    return parse_config(merged(read_toml(preset), run), source=str(preset))


def _model(bundle: Bundle) -> DemandModel:
    model = DemandModel.from_arrays(bundle.demand, bundle.catalogue)
    if model is None:
        raise BundleError("the run made no forecast of sales; give 'demand' a share")
    return model


def _of(model: DemandModel) -> Forecasts:
    return {silo: {weeks: model.forecast(silo, weeks * DAYS) for weeks in PERIODS} for silo in model.silos}


def _sold(config: TrainingConfig, catalogue: Catalogue) -> dict[str, Sold]:
    """The same customers as the training's, with what they bought after the cut-off too."""
    federation = FederationConfig.load(config.federation)
    settings = config.silo_settings(ordered=True).model_copy(update={"until": None})
    found = {}
    for silo in federation.silo_configs():
        own = silo.base_silo()
        data = load(
            own,
            catalogue,
            settings,
            max_silos_per_person=federation.max_silos_per_person,
            silos=len(federation.silos),
        )
        facts = read_facts(silo.name, public_fields(own, catalogue), catalogue)
        found[silo.name] = Sold(data.dataset.histories, facts.areas, facts.carried, _end(config))
    return found


def _end(config: TrainingConfig) -> int:
    return int(config.until.timestamp()) // SECONDS_PER_DAY if config.until is not None else 0


def _exact(config: TrainingConfig, bundle: Bundle, sold: Mapping[str, Sold]) -> DemandModel:
    """The same forecast made of exact counts: no bound cuts any customer, and no noise is added."""
    published = np.exp(bundle.log_popularity.astype(np.float64))
    scope = demand_scope(bundle.catalogue, published, config.demand, _end(config))
    norms = dict.fromkeys(("items", "groups", "areas", "level", "spread"), UNBOUNDED)
    scope = replace(scope, bounds=replace(scope.bounds, **norms))  # type: ignore[arg-type]
    sums: dict[str, NDArray[np.float64]] = {
        silo: contribution(truth.histories, scope) for silo, truth in sold.items()
    }
    facts = {silo: SiloFacts(truth.areas, truth.carried) for silo, truth in sold.items()}
    arrays = fit(sums, 0.0, scope, published, facts)
    model = DemandModel.from_arrays(arrays, bundle.catalogue)
    if model is None:
        raise BundleError("no exact sums")
    return model


def _naive(truth: Sold) -> dict[int, Forecast]:
    """Every area's own units of each item in the last weeks, exact, without intervals."""
    weekly = truth.units(NAIVE_WEEKS, ago=NAIVE_WEEKS) / NAIVE_WEEKS
    unknown = np.full(weekly.shape, np.nan)
    return {weeks: Forecast(weeks * DAYS, truth.areas, weekly * weeks, unknown, unknown) for weeks in PERIODS}


def _ratios(values: Mapping[str, float], exact: Mapping[str, float]) -> dict[str, float]:
    names = ("", *(f"_{weeks * DAYS}" for weeks in PERIODS))
    return {f"ratio{name}": values[f"wape{name}"] / exact[f"wape{name}"] for name in names}
