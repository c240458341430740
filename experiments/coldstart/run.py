"""All measurements of cold start and drift, seed by seed, each in a scratch folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.coldstart.customers import measure_new_customers
from experiments.coldstart.drift import measure_drift
from experiments.coldstart.items import measure_new_items
from experiments.coldstart.options import ColdStartOptions
from experiments.coldstart.section import Section, markdown
from experiments.coldstart.silos import ALONE, FEDERATION, WITHOUT, gains, measure_silos
from experiments.coldstart.trainings import Trainings
from experiments.coldstart.world import make_cold_world
from experiments.results_table import write_results
from recsys.recommend.pipeline import Recommender
from training.progress import Progress, silent

STAMP = "simulated data"
SECTIONS = ("new_customers", "new_items", "silos", "drift")


@dataclass(frozen=True)
class ColdStart:
    """epsilon: the largest person-level one of any training; seeds: seed -> name of section -> section."""

    options: ColdStartOptions
    command: str
    epsilon: float
    gains: Mapping[int, Mapping[str, Mapping[str, float]]]
    seeds: Mapping[int, Mapping[str, Section]]

    def facts(self) -> list[str]:
        """What has to be known to read the tables."""
        options = self.options
        return [
            f"{STAMP}: {options.persons:,} persons, {options.items:,} items, {options.weeks} weeks of which "
            f"the last {options.weeks_ahead} are held out; four store groups of sizes 8:4:2:1, disjoint",
            f"person-level epsilon {self.epsilon:.3f} at delta {options.delta:g}, add or remove one "
            "customer, all mechanisms composed; each training is a run of its own",
            f"seeds {', '.join(map(str, self.seeds))}; median over seeds, all seeds in brackets where there "
            f"are several; recall: hits over all relevant items; at most {options.sample} customers of a "
            "silo are ranked for, all in the table of silos",
            "Recall@20 in the federation over that of the silo alone (in brackets: of new items): "
            + "; ".join(f"seed {seed}: {_words(found)}" for seed, found in self.gains.items()),
        ]

    def report(self) -> list[str]:
        """Facts and tables as lines."""
        lines = list(self.facts())
        for name in SECTIONS:
            lines += ["", *markdown([found[name] for found in self.seeds.values()])]
        return lines

    def write(self, path: Path) -> None:
        """Write the results file."""
        table = self.report()[len(self.facts()) + 1 :]
        write_results(path, "Cold start and drift", self.command, self.facts(), table)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; what could not be measured is null."""
        return {
            "stamp": STAMP,
            "persons": self.options.persons,
            "items": self.options.items,
            "epsilon": self.options.epsilon,
            "epsilon_spent": self.epsilon,
            "delta": self.options.delta,
            "federation_over_alone": {
                str(seed): {name: _known(ratio) for name, ratio in found.items()}
                for seed, found in self.gains.items()
            },
            "seeds": {
                str(seed): {
                    name: {label: _known(row) for label, row in section.rows.items()}
                    for name, section in found.items()
                }
                for seed, found in self.seeds.items()
            },
        }


def run_cold_start(
    options: ColdStartOptions, seeds: Sequence[int], *, command: str, progress: Progress = silent
) -> ColdStart:
    """Measure every seed. Errors: ConfigError, and those of `training.run.run_training`."""
    found: dict[int, Mapping[str, Section]] = {}
    ratios: dict[int, Mapping[str, Mapping[str, float]]] = {}
    spent = 0.0
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
            found[seed], epsilon = _one_seed(options, seed, Path(work), progress)
        ratios[seed] = gains(found[seed]["silos"], options.names)
        spent = max(spent, epsilon)
    return ColdStart(options, command, spent, ratios, found)


def _one_seed(
    options: ColdStartOptions, seed: int, work: Path, progress: Progress
) -> tuple[Mapping[str, Section], float]:
    world = make_cold_world(options, seed, work / "world")
    trainings = Trainings(world, options, seed, work / "runs", progress)
    names = [side.name for side in world.silos]
    whole, spent = trainings.train("all", names)
    by_silo: dict[str, dict[str, Recommender]] = {}
    for name in names:
        others = [other for other in names if other != name]
        without, epsilon_without = trainings.train(f"without-{name}", others)
        alone, epsilon_alone = trainings.train(f"alone-{name}", [name])
        by_silo[name] = {FEDERATION: whole, WITHOUT: without, ALONE: alone}
        spent = max(spent, epsilon_without, epsilon_alone)
    sections = {
        "new_customers": measure_new_customers(world, whole, options, seed),
        "new_items": measure_new_items(world, whole, options, seed),
        "silos": measure_silos(world, by_silo),
        "drift": measure_drift(world, whole, options, seed),
    }
    return sections, spent


def _known(row: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else float(value) for name, value in row.items()}


def _words(found: Mapping[str, Mapping[str, float]]) -> str:
    return ", ".join(
        f"{name} {ratio['recall_at_20']:.3f} ({ratio['new_recall_at_20']:.3f})"
        for name, ratio in found.items()
    )
