"""Our dates on a simulated world beside those of the world's own law, seed by seed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments.comparison import Entry
from experiments.quality.private import PRESETS, merged
from experiments.replenishment.figures import MethodFigures, method_figures
from experiments.replenishment.forecast import Forecast
from experiments.replenishment.methods import BASELINES, PRIVATE, TWIN, Known
from experiments.replenishment.outcomes import Figure, Outcomes, mean_ends
from experiments.replenishment.published import published_forecast
from experiments.replenishment.world import TrueWorld, make_true_world
from experiments.results_table import comparison_table, write_results
from experiments.twin import train_twin
from recsys.bundle.store import read_bundle
from recsys.errors import ConfigError
from recsys.seeds import derive_seed
from recsys.silos.simulator.config import WorldConfig
from training.config import TrainingConfig, parse_config, read_toml
from training.progress import Progress, silent
from training.run import run_training

LAW, STAMP = "generating_model", "simulated data"
OTHERS = ("personal_mean_gap", "poisson_gamma")
METHODS = (LAW, PRIVATE, TWIN, *OTHERS)
COLUMNS = (
    *("mae_days", "mae_restricted_days", "mae_over_law", "restricted_over_law", "from_law_days"),
    *("coverage_80", "coverage_80_all", "log_loss_14", "auc_14", "ece_14", "ece_30"),
)
LEAST_PERSONS = 100


@dataclass(frozen=True)
class TruthOptions:
    """Size of the world and the promise; every seed is another world."""

    persons: int = 6_000
    items: int = 800
    silos: int = 4
    epsilon: float = 1.0
    delta: float = 1e-6

    def __post_init__(self) -> None:
        if self.persons < LEAST_PERSONS:
            raise ConfigError(f"--persons {self.persons}: give at least {LEAST_PERSONS}, or silos are empty")
        if self.silos < 1:
            raise ConfigError(f"--silos {self.silos}: write a number of silos from 1 on")

    def world(self, seed: int) -> WorldConfig:
        """The frozen world with disjoint store groups."""
        own = WorldConfig.seed if seed == 0 else derive_seed(WorldConfig.seed, "replenishment", seed)
        return WorldConfig.disjoint(self.silos, persons=self.persons, n_items=self.items, seed=own)


@dataclass(frozen=True)
class Truth:
    """Figures by seed and method; pairs, living: judged staples, and those of them that live on."""

    options: TruthOptions
    command: str
    epsilon: float
    pairs: Mapping[int, tuple[int, int]]
    by_seed: Mapping[int, Mapping[str, MethodFigures]]

    def facts(self) -> list[str]:
        """What has to be known to read the table."""
        sizes = ", ".join(f"seed {s}: {all_:,} ({lives:,})" for s, (all_, lives) in self.pairs.items())
        options = self.options
        return [
            f"{STAMP}: {options.persons:,} persons, {options.items:,} items, {options.silos} store groups, "
            "disjoint; asked on the day after the window, judged by the world's own continuation",
            f"person-level epsilon {self.epsilon:.3f} at delta {options.delta:g}, add or remove one "
            "customer, all mechanisms composed",
            f"judged: staples bought on two days or more (of them with a living habit): {sizes}",
            f"{LAW}: the world's own law given the past (mean use, its spread, weekdays, forgetting); all "
            "figures but coverage_80_all are of living habits; coverage: of intervals within the horizon",
            "mae_over_law: mae_days over the law's; from_law_days: mean distance to the law's date, both "
            "cut at the horizon; median over seeds, all in brackets",
        ]

    def table(self) -> list[str]:
        """A row per method as Markdown lines."""
        entries = {
            seed: {n: Entry(f.private, f.values, f.intervals) for n, f in found.items()}
            for seed, found in self.by_seed.items()
        }
        return comparison_table(entries, COLUMNS)

    def report(self) -> list[str]:
        """What a person reads at the end."""
        return [*(f"- {fact}" for fact in self.facts()), "", *self.table()]

    def write(self, path: Path) -> None:
        """Write the results file."""
        write_results(
            path, "Replenishment: dates against the truth", self.command, self.facts(), self.table()
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values; medians over seeds, and every seed."""
        seeds = {str(s): {n: f.to_dict() for n, f in found.items()} for s, found in self.by_seed.items()}
        names = next(iter(self.by_seed.values()))
        middle = {
            name: {
                key: median([found[name].values[key] for found in self.by_seed.values()])
                for key, value in figures.values.items()
                if np.isfinite(value)
            }
            for name, figures in names.items()
        }
        return {
            "stamp": STAMP,
            "persons": self.options.persons,
            "epsilon": self.options.epsilon,
            "epsilon_spent": self.epsilon,
            "pairs": {str(seed): sizes for seed, sizes in self.pairs.items()},
            "methods": middle,
            "seeds": seeds,
        }


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
        by_seed[seed] = _measured(world, {LAW: world.law, **own})
        pairs[seed] = (int(world.judged.sum()), int((world.judged & world.lives).sum()))
    return Truth(options, command, spent, pairs, by_seed)


def _config(options: TruthOptions, world: TrueWorld, seed: int, output: Path) -> TrainingConfig:
    run = {
        "federation": world.federation,
        "output": output,
        "seed": seed,
        "threads": 1,
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


def _dates(forecast: Forecast, ahead: int) -> Any:
    named = np.where(np.isnan(forecast.expected), np.inf, forecast.expected)
    return np.minimum(np.floor(np.maximum(named, 0.0)), ahead)


def _coverage(forecast: Forecast, outcomes: Outcomes) -> Figure:
    from experiments.replenishment.dates import date_figures

    return date_figures(forecast, outcomes, outcomes.draws())["coverage_80"]


def _mean(values: Any, outcomes: Outcomes) -> Figure:
    return float(values.mean()), mean_ends(values, outcomes.rows, outcomes.draws())
