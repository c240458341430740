"""What is asked of a comparison of found follow-ups with planted ones, and its facts, table and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from experiments.followups.planted import PLANTED, Found
from experiments.results_table import shown, write_results
from experiments.simulated import SimulatedOptions, world_seed
from recsys.models.followup_rules import FollowUp
from recsys.silos.simulator.config import WorldConfig
from recsys.words import NO_VALUE

STAMP = "simulated data"
WORLDS = ("planted", "without")
METHODS = ("private", "non_private_twin")

Rules = Mapping[str, Mapping[str, tuple[FollowUp, ...]]]
"""By world and method."""


@dataclass(frozen=True)
class FollowupOptions(SimulatedOptions):
    """Size of the worlds and the promise; every seed is another pair of worlds."""

    persons: int = 120_000

    LEAST_PERSONS: ClassVar[int] = 400

    def world(self, seed: int, kind: str) -> WorldConfig:
        """The frozen world with disjoint store groups, with planted follow-ups or without."""
        own = world_seed("followups", seed)
        frozen = self.disjoint(own)
        return replace(frozen, follow_ups=PLANTED) if kind == "planted" else frozen


@dataclass(frozen=True)
class Followups:
    """The rules found, by seed, world and method."""

    options: FollowupOptions
    command: str
    epsilon: float
    by_seed: Mapping[int, Rules]

    def found(self, seed: int, world: str, method: str) -> Found:
        """A seed's rules beside what was planted."""
        return Found.of(self.by_seed[seed][world][method], PLANTED if world == "planted" else ())

    def facts(self) -> list[str]:
        """What has to be known to read the table."""
        options = self.options
        planted = "; ".join(
            f"{rule.first} -> {rule.second} ({rule.after_days}-{rule.until_days} days, {rule.chance:g})"
            for rule in PLANTED
        )
        return [
            f"{STAMP}: {options.persons:,} persons, {options.items:,} items, {options.silos} store groups, "
            "disjoint, 26 weeks; once with planted follow-ups and once without any",
            f"person-level epsilon {self.epsilon:.3f} at delta {options.delta:g}, add or remove one "
            "customer, all mechanisms composed: a tenth of the budget (of squared mu) for popularity, the "
            "rest for follow-ups",
            f"planted: {planted}; bought on the next trip after the day that it is wanted",
            "rules, right: published and planted among them; recall: of the planted; lag_error_days: "
            "middle of the window to middle of when it is wanted; covers: windows that hold that middle; "
            "chance_ratio: published chance over planted (below 1: who had it before counts neither way)",
            "non_private_twin: the same stages on the pooled data without noise; its rules still have to "
            "stand clear of chance; every seed in brackets",
        ]

    def table(self) -> list[str]:
        """A row per world and method: the mean over seeds, and every seed."""
        names = [field.name for field in fields(Found)]
        lines = [f"| world | method | {' | '.join(names)} |", f"|---|---|{'--:|' * len(names)}"]
        for world in WORLDS:
            for method in METHODS:
                found = [asdict(self.found(seed, world, method)) for seed in self.by_seed]
                cells = [_cell([one[name] for one in found]) for name in names]
                lines.append(f"| {world} | {method} | {' | '.join(cells)} |")
        return lines

    def rules(self) -> list[str]:
        """The first seed's published rules, in words."""
        seed = next(iter(self.by_seed))
        return [
            f"- seed {seed}, {rule.bought} -> {rule.needed}: {rule.after_days} to {rule.until_days} days, "
            f"{rule.chance:.3f} ± {rule.error:.3f}"
            for rule in self.by_seed[seed]["planted"]["private"]
        ]

    def report(self) -> list[str]:
        """What a person reads at the end."""
        return [*(f"- {fact}" for fact in self.facts()), "", *self.table(), "", *self.rules()]

    def write(self, path: Path) -> None:
        """Write the results file."""
        table = [*self.table(), "", "What the private run published:", "", *self.rules()]
        write_results(path, "Follow-ups: found against planted", self.command, self.facts(), table)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: every seed's figures and rules."""
        seeds = {
            str(seed): {
                world: {
                    method: {
                        **asdict(self.found(seed, world, method)),
                        "published": [asdict(rule) for rule in rules],
                    }
                    for method, rules in methods.items()
                }
                for world, methods in worlds.items()
            }
            for seed, worlds in self.by_seed.items()
        }
        return {
            "stamp": STAMP,
            "persons": self.options.persons,
            "epsilon": self.options.epsilon,
            "epsilon_spent": self.epsilon,
            "planted": [asdict(rule) for rule in PLANTED],
            "seeds": seeds,
        }


def _cell(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return NO_VALUE
    every = ", ".join(shown(value, ".4g") for value in values)
    middle = shown(sum(known) / len(known), ".4g")
    return middle if len(values) == 1 else f"{middle} ({every})"
