"""What is asked of a comparison with the truth, and its facts, table and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments.comparison import Entry
from experiments.replenishment.figures import MethodFigures
from experiments.replenishment.methods import PRIVATE, TWIN
from experiments.results_table import comparison_table, write_results
from experiments.simulated import SimulatedOptions, world_seed
from recsys.silos.simulator.config import WorldConfig

LAW, LEARNED, STAMP = "generating_model", "generating_model_learned", "simulated data"
OTHERS = ("personal_mean_gap", "poisson_gamma")
METHODS = (LAW, LEARNED, PRIVATE, TWIN, *OTHERS)
COLUMNS = (
    *("mae_days", "mae_restricted_days", "mae_over_law", "restricted_over_law", "from_law_days"),
    *("coverage_80", "coverage_80_all", "log_loss_14", "auc_14", "ece_14", "ece_30"),
)


@dataclass(frozen=True)
class TruthOptions(SimulatedOptions):
    """Size of the world and the promise; every seed is another world."""

    persons: int = 6_000

    def world(self, seed: int) -> WorldConfig:
        """The frozen world with disjoint store groups."""
        own = world_seed("replenishment", seed)
        return self.disjoint(own)


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
            f"{LEARNED}: the same for somebody who must learn each staple's cycle from its purchases",
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
