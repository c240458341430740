"""What benchmarks on simulated worlds with disjoint store groups are asked, and the command that asks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import click

from experiments import asked
from recsys.errors import ConfigError
from recsys.seeds import derive_seed
from recsys.silos.simulator.config import WorldConfig


@dataclass(frozen=True)
class SimulatedOptions:
    """Size of the world and the promise; every seed is another world. Raises ConfigError for empty silos."""

    persons: int
    items: int = 800
    silos: int = 4
    epsilon: float = 1.0
    delta: float = 1e-6

    LEAST_PERSONS: ClassVar[int] = asked.LEAST_PERSONS

    def __post_init__(self) -> None:
        if self.persons < self.LEAST_PERSONS:
            least = self.LEAST_PERSONS
            raise ConfigError(f"--persons {self.persons}: give at least {least}, or silos are empty")
        if self.silos < 1:
            raise ConfigError(f"--silos {self.silos}: write a number of silos from 1 on")

    def disjoint(self, seed: int) -> WorldConfig:
        """The frozen world with disjoint store groups."""
        return WorldConfig.disjoint(self.silos, persons=self.persons, n_items=self.items, seed=seed)


def world_seed(purpose: str, seed: int) -> int:
    """The seed of a world; seed 0 is the frozen world itself."""
    return WorldConfig.seed if seed == 0 else derive_seed(WorldConfig.seed, purpose, seed)


class Found(Protocol):
    """What a benchmark gives back."""

    def write(self, results: Path) -> None: ...
    def to_dict(self) -> dict[str, Any]: ...
    def report(self) -> list[str]: ...


def simulated_command(
    name: str, doc: str, *, persons: int, least: int = asked.LEAST_PERSONS, run: Callable[..., Found]
) -> click.Command:
    """`thousandfaces bench NAME`. run: takes the options by name, `seeds`, `command` and `progress`.

    least: the options' LEAST_PERSONS; written again, since `--help` is not to import them
    """

    @click.command(name=name, help=doc)
    @asked.persons(persons, least)
    @asked.ITEMS
    @asked.silos("Store groups, each person in one alone.")
    @asked.epsilon(1.0)
    @asked.WORLDS
    @asked.RESULTS
    @asked.JSON
    def command(seeds: str, results: Path | None, as_json: bool, **sizes: Any) -> None:
        from recsys.quiet import quiet_libraries

        quiet_libraries()
        from experiments.results_table import command_line
        from experiments.seeded import seed_numbers
        from training.progress import shown

        told = command_line("thousandfaces")
        with shown() as progress:
            found = run(sizes, seed_numbers(seeds), command=told, progress=progress)
        if results is not None:
            found.write(results)
        click.echo(json.dumps(found.to_dict()) if as_json else "\n".join(found.report()))

    return command
