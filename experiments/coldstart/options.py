"""What is asked of a measurement of cold start and drift."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from experiments.asked import LEAST_PERSONS
from recsys.errors import ConfigError
from recsys.seeds import derive_seed
from recsys.silos.simulator.config import ONE_SILO_EACH, SiloKind, SiloSpec, WorldConfig

SIZES = {"large": 8, "middle": 4, "small": 2, "smallest": 1}
"""Store groups and their relative sizes: very unlike, so that what a small one gains is seen."""


@dataclass(frozen=True)
class ColdStartOptions:
    """One size of the simulated world, and what is kept from training.

    weeks_ahead:    weeks after the cut-off, each of which is measured
    new_customers:  share of customers who never train
    new_items:      share of items whose first sale is after the cut-off
    sample:         at most so many customers of a silo are ranked for in each measurement
    """

    persons: int = 6_000
    items: int = 800
    epsilon: float = 2.0
    delta: float = 1e-6
    weeks: int = 26
    weeks_ahead: int = 6
    new_customers: float = 0.1
    new_items: float = 0.05
    sample: int = 400

    def __post_init__(self) -> None:
        if self.persons < LEAST_PERSONS:
            raise ConfigError(f"--persons {self.persons}: give at least {LEAST_PERSONS}, or silos are empty")
        if not 1 <= self.weeks_ahead < self.weeks:
            raise ConfigError(f"--weeks-ahead {self.weeks_ahead}: give 1 to {self.weeks - 1} weeks")

    @property
    def names(self) -> tuple[str, ...]:
        """The silos, from large to small."""
        return tuple(SIZES)

    def world(self, seed: int) -> WorldConfig:
        """The frozen world with store groups of unlike sizes, each person a customer of one alone."""
        base = WorldConfig()
        total = sum(SIZES.values())
        silos = tuple(
            SiloSpec(name, SiloKind.STORE_GROUP, 4, size / total, size / total, 1.0)
            for name, size in SIZES.items()
        )
        return WorldConfig(
            seed=base.seed if seed == 0 else derive_seed(base.seed, "cold start", seed),
            persons=self.persons,
            n_items=self.items,
            weeks=self.weeks,
            silos=silos,
            max_silos_per_person=1,
            memberships=ONE_SILO_EACH,
        )

    def until(self, seed: int) -> datetime:
        """The cut-off: what comes later trains nothing."""
        first = self.world(seed).last_day - timedelta(weeks=self.weeks_ahead) + timedelta(days=1)
        return datetime.combine(first, time(), UTC)
