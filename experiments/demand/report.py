"""What is asked of a benchmark of demand, and its facts, tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import numpy as np

from experiments.comparison import Entry
from experiments.results_table import comparison_table, shown, write_results
from experiments.simulated import SimulatedOptions
from recsys.models.demand import DAYS, PERIODS, Bounds
from recsys.seeds import derive_seed
from recsys.silos.simulator.config import WorldConfig

PRIVATE, EXACT, TWIN, LAST_WEEKS = "private", "exact_counts", "non_private_twin", "last_weeks"
METHODS = (EXACT, PRIVATE, TWIN, LAST_WEEKS)
STAMP = "simulated data"
HORIZONS = tuple(weeks * DAYS for weeks in PERIODS)
COLUMNS = tuple(f"{name}_{days}" for name in ("wape", "ratio", "coverage_80") for days in HORIZONS)
USUAL_SILO = 25_000
"""Customers of a silo for whom the bounds of `recsys.models.demand.Bounds` were chosen."""


@dataclass(frozen=True)
class DemandOptions(SimulatedOptions):
    """Size of the world and the promise; every seed is another world."""

    persons: int = 100_000

    LEAST_PERSONS: ClassVar[int] = 200

    def world(self, seed: int) -> WorldConfig:
        """The frozen world with disjoint store groups."""
        own = derive_seed(WorldConfig.seed, "demand", seed)
        return self.disjoint(own)

    def bounds(self) -> dict[str, float]:
        """Bounds by the size of silos, which is public: the more customers, the less noise says."""
        factor = (self.persons / self.silos / USUAL_SILO) ** (1 / 3)
        usual = Bounds()
        return {name: getattr(usual, name) * factor for name in ("items", "groups", "areas", "level")}


@dataclass(frozen=True)
class DemandResult:
    """Figures by seed and method; areas: units and error of every area within the nearest horizon."""

    options: DemandOptions
    command: str
    epsilon: float
    by_seed: Mapping[int, Mapping[str, Mapping[str, float]]]
    areas: Mapping[int, Mapping[str, Mapping[str, tuple[float, float]]]]

    def facts(self) -> list[str]:
        """What has to be known to read the tables."""
        options = self.options
        return [
            f"{STAMP}: {options.persons:,} persons, {options.items:,} items, {options.silos} store groups, "
            "disjoint, each with two areas; judged by what customers who consent to training buy in the "
            f"{max(HORIZONS)} days after the cut-off, every item and area a cell",
            f"person-level epsilon {self.epsilon:.3f} at delta {options.delta:g}, add or remove one "
            "customer, all mechanisms composed",
            "wape_H: sum of |units - expected| over the sum of units, within H days; ratio_H: over that of "
            f"{EXACT}; coverage_80_H: share of the cells whose units lie in the 80 % interval",
            f"{EXACT}: the same forecast made of exact counts, with no bound on any customer; {TWIN}: "
            f"bounded, without noise; {LAST_WEEKS}: each cell's own mean of the last 4 weeks, exact",
            "median over seeds, all in brackets",
        ]

    def table(self) -> list[str]:
        """A row per method as Markdown lines."""
        entries = {
            seed: {name: Entry(name == PRIVATE, values, {}) for name, values in found.items()}
            for seed, found in self.by_seed.items()
        }
        return comparison_table(entries, COLUMNS)

    def area_table(self) -> list[str]:
        """Units and error of every area within the nearest horizon, of the first seed."""
        found = next(iter(self.areas.values()))
        lines = [f"| area | units in {HORIZONS[0]} days | {EXACT} | {PRIVATE} |", "|---|--:|--:|--:|"]
        lines += [
            f"| {area} | {units:,.0f} | {shown(error)} | {shown(found[PRIVATE][area][1])} |"
            for area, (units, error) in found[EXACT].items()
        ]
        return lines

    def report(self) -> list[str]:
        """What a person reads at the end."""
        facts = (f"- {fact}" for fact in self.facts())
        return [*facts, "", *self.table(), "", "By area:", "", *self.area_table()]

    def write(self, path: Path) -> None:
        """Write the results file."""
        tables = [*self.table(), "", "By area (first seed):", "", *self.area_table()]
        write_results(path, "Demand by item and store area", self.command, self.facts(), tables)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; medians over seeds, every seed, and areas."""
        first = next(iter(self.by_seed.values()))
        middle = {
            name: {key: self._median(name, key) for key in values if np.isfinite(values[key])}
            for name, values in first.items()
        }
        return {
            "stamp": STAMP,
            "persons": self.options.persons,
            "items": self.options.items,
            "epsilon": self.options.epsilon,
            "epsilon_spent": self.epsilon,
            "methods": {name: {"private": name == PRIVATE, **middle[name]} for name in middle},
            "seeds": {str(seed): _finite(found) for seed, found in self.by_seed.items()},
            "areas": {
                str(seed): {
                    name: {area: {"units": units, "wape": error} for area, (units, error) in own.items()}
                    for name, own in found.items()
                }
                for seed, found in self.areas.items()
            },
        }

    def _median(self, name: str, key: str) -> float:
        return median(found[name][key] for found in self.by_seed.values())


def _finite(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {name: {k: v for k, v in values.items() if np.isfinite(v)} for name, values in found.items()}
