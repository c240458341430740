"""What is asked of a benchmark of seasons, and its facts, tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from experiments.comparison import Entry
from experiments.results_table import comparison_table, write_results
from experiments.season.judged import PLANTED, WITHIN
from experiments.simulated import SimulatedOptions, world_seed
from recsys.silos.simulator.config import WorldConfig

STAMP = "simulated data"
WORLDS = ("planted", "without")
WITHOUT, PRIVATE, TWIN, EXACT, TRUTH = (
    "without_season",
    "private",
    "non_private_twin",
    "exact_counts",
    "as_planted",
)
METHODS = (WITHOUT, PRIVATE, TWIN, EXACT, TRUTH)
COLUMNS = (
    "correlation",
    "slope",
    "error_seasonal",
    "error_flat",
    "log_loss",
    "gain",
    "calibration",
    "log_loss_seasonal",
    "gain_seasonal",
    "calibration_seasonal",
    "away_seasonal",
)
WEEKS = 66
LAST_DAYS = (date(2026, 6, 28), date(2026, 3, 29), date(2025, 12, 28), date(2025, 9, 28))
"""Ends of the worlds, season by season and none in the future: seeds take turns."""

Methods = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class SeasonOptions(SimulatedOptions):
    """Size of the worlds and the promise; every seed is another pair of worlds, ending in another season."""

    persons: int = 20_000

    LEAST_PERSONS: ClassVar[int] = 200

    def world(self, seed: int, kind: str) -> WorldConfig:
        """The frozen world's habits over more than a year, with planted seasons or without."""
        frozen = self.disjoint(world_seed("season", seed))
        return replace(
            frozen,
            weeks=WEEKS,
            trips=frozen.trips * WEEKS / frozen.weeks,
            last_day=LAST_DAYS[seed % len(LAST_DAYS)],
            seasons=PLANTED if kind == "planted" else (),
        )


@dataclass(frozen=True)
class SeasonResult:
    """Figures by seed, world and method."""

    options: SeasonOptions
    command: str
    epsilon: float
    by_seed: Mapping[int, Mapping[str, Methods]]

    def facts(self) -> list[str]:
        """What has to be known to read the tables."""
        options = self.options
        planted = "; ".join(f"{one.category} (month {one.peak}, {one.strength:g})" for one in PLANTED)
        return [
            f"{STAMP}: {options.persons:,} persons, {options.items:,} items, {options.silos} store groups, "
            f"disjoint, {WEEKS} weeks, of which the last {WITHIN} days are judged; seeds end in turn on "
            f"{', '.join(f'{one:%d %B}' for one in LAST_DAYS)}; once with planted seasons and once without",
            f"person-level epsilon {self.epsilon:.3f} at delta {options.delta:g}, add or remove one "
            "customer, all mechanisms composed (experiments/configs/bench/season.toml)",
            f"planted, category (month of its peak, strength): {planted}; demand goes with exp(strength "
            "cos(2 pi (t - peak) / 12)), t in months: what is bought regularly is used up faster",
            "correlation, slope, error_seasonal, error_flat: of logs of factors against planted ones, over "
            "categories and months; slope: found over planted, below 1 as waiting for the next trip evens "
            "purchases out; error_flat: over the categories without a season",
            f"log_loss, calibration (error): of the chance of buying a pair again within {WITHIN} days, of "
            "pairs with two purchases and more; _seasonal: in categories with a planted season; gain: log "
            "loss less than the same model's without seasons; away_seasonal: |mean chance - share bought|, "
            "mean over these categories",
            f"{WITHOUT}, {PRIVATE}: what the private run published, its seasons left out or used; {EXACT}, "
            f"{TRUTH}: the same with seasons of exact and unbounded counts, or the planted ones; {TWIN}: the "
            "same stages on the pooled data, bounded, without noise",
            "median over seeds, all in brackets",
        ]

    def table(self, world: str) -> list[str]:
        """A row per method as Markdown lines."""
        entries = {
            seed: {name: Entry(name != TWIN, values, {}) for name, values in found[world].items()}
            for seed, found in self.by_seed.items()
        }
        first = next(iter(entries.values())).values()
        known = [name for name in COLUMNS if any(np.isfinite(entry.values[name]) for entry in first)]
        return comparison_table(entries, known)

    def tables(self) -> list[str]:
        """Both worlds' tables."""
        with_, without = (self.table(world) for world in WORLDS)
        return ["With planted seasons:", "", *with_, "", "Without any:", "", *without]

    def report(self) -> list[str]:
        """What a person reads at the end."""
        return [*(f"- {fact}" for fact in self.facts()), "", *self.tables()]

    def write(self, path: Path) -> None:
        """Write the results file."""
        write_results(path, "Seasons: found against planted", self.command, self.facts(), self.tables())

    def to_dict(self) -> dict[str, Any]:
        """JSON values: every seed's figures."""
        return {
            "stamp": STAMP,
            "persons": self.options.persons,
            "epsilon": self.options.epsilon,
            "epsilon_spent": self.epsilon,
            "seeds": {
                str(seed): {
                    world: {name: _finite(values) for name, values in methods.items()}
                    for world, methods in worlds.items()
                }
                for seed, worlds in self.by_seed.items()
            },
        }


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if np.isfinite(value)}
