"""Our dates on a simulated world beside those of the world's own law, seed by seed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.quality.private import PRESETS, merged
from experiments.replenishment.dates import date_figures
from experiments.replenishment.figures import MethodFigures, method_figures
from experiments.replenishment.forecast import Forecast
from experiments.replenishment.methods import BASELINES, PRIVATE, TWIN, Known
from experiments.replenishment.outcomes import Figure, Outcomes, mean_ends
from experiments.replenishment.published import published_forecast
from experiments.replenishment.truth_report import LAW, LEARNED, METHODS, OTHERS, Truth, TruthOptions
from experiments.replenishment.world import TrueWorld, make_true_world
from experiments.twin import train_twin
from recsys.bundle.store import read_bundle
from training.config import TrainingConfig
from training.config_file import parse_config, read_toml
from training.progress import Progress, silent
from training.run import run_training


def run_truth(
    options: TruthOptions, seeds: Sequence[int], *, command: str, progress: Progress = silent
) -> Truth:
    """Make, train and measure every seed's world. Errors: ConfigError, and those of `run_training`."""
    by_seed, pairs, spent = {}, {}, 0.0
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
            world = make_true_world(options.world(seed), Path(work) / "world")
            config = _config(options, world, seed, Path(work) / "run")
            trained = run_training(config, progress=progress)
            spent = max(spent, float(trained.report["person_epsilon"]))
            known = Known(world.histories, world.pairs, world.catalogue, seed)
            forecasts = {
                PRIVATE: published_forecast(read_bundle(trained.bundle_folder), world.histories, world.pairs),
                TWIN: published_forecast(train_twin(config), world.histories, world.pairs),
                **{name: BASELINES[name](known).forecast for name in OTHERS},
            }
        own = {name: forecast.where(world.judged) for name, forecast in forecasts.items()}
        by_seed[seed] = _measured(world, {LAW: world.law, LEARNED: world.learned, **own})
        pairs[seed] = (int(world.judged.sum()), int((world.judged & world.lives).sum()))
    return Truth(options, command, spent, pairs, by_seed)


def _config(options: TruthOptions, world: TrueWorld, seed: int, output: Path) -> TrainingConfig:
    run = {
        "federation": world.federation,
        "output": output,
        "seed": seed,
        "threads": 1,
        "until": world.config.start + timedelta(days=world.config.days),
        "privacy": {"epsilon": options.epsilon, "delta": options.delta},
    }
    preset = PRESETS / "replenishment.toml"
    return parse_config(merged(read_toml(preset), run), source=str(preset))


def _measured(world: TrueWorld, forecasts: Mapping[str, Forecast]) -> dict[str, MethodFigures]:
    judged, lives = world.judged, world.lives[world.judged]
    customers, following = world.pairs.customers[judged], world.next[judged]
    ahead = world.config.horizon_days
    outcomes = Outcomes.of(customers[lives], following[lives], ahead)
    every = Outcomes.of(customers, following, ahead)
    found: dict[str, MethodFigures] = {}
    law = _dates(world.law.where(lives), ahead)
    for name in METHODS:
        forecast = forecasts[name]
        extra = {
            "coverage_80_all": _coverage(forecast, every),
            "from_law_days": _mean(np.abs(_dates(forecast.where(lives), ahead) - law), outcomes),
        }
        figures = method_figures(
            forecast.where(lives), outcomes, extra, private=name == PRIVATE, seconds=0.0, chosen={}
        )
        base = found.get(LAW, figures).values
        ratios = {
            "mae_over_law": figures.values["mae_days"] / base["mae_days"],
            "restricted_over_law": figures.values["mae_restricted_days"] / base["mae_restricted_days"],
        }
        found[name] = MethodFigures(
            figures.private, {**figures.values, **ratios}, figures.intervals, figures.reliability, 0.0, {}
        )
    return found


def _dates(forecast: Forecast, ahead: int) -> NDArray[np.float64]:
    named = np.where(np.isnan(forecast.expected), np.inf, forecast.expected)
    return np.asarray(np.minimum(np.floor(np.maximum(named, 0.0)), ahead))


def _coverage(forecast: Forecast, outcomes: Outcomes) -> Figure:
    return date_figures(forecast, outcomes, outcomes.draws())["coverage_80"]


def _mean(values: NDArray[np.float64], outcomes: Outcomes) -> Figure:
    return float(values.mean()), mean_ends(values, outcomes.rows, outcomes.draws())
