"""Seasons that a world can be told to have: categories that are used up faster in some months."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.silos.simulator.lexicon import CATEGORIES

if TYPE_CHECKING:
    from recsys.silos.simulator.catalogue import Goods
    from recsys.silos.simulator.config import WorldConfig

MONTHS = 12
MOST_STRENGTH = 3.0


@dataclass(frozen=True)
class PlantedSeason:
    """A law of the world: a category's demand goes with exp(strength cos(2 pi (t - peak) / 12)), t in months.

    peak: the month in whose middle it is highest, 1 for January; strength: log of the highest over the mean,
    about; the mean over the year stays as it is
    """

    category: str
    peak: int
    strength: float

    def __post_init__(self) -> None:
        if not 1 <= self.peak <= MONTHS or not 0.0 <= self.strength <= MOST_STRENGTH:
            raise ConfigError(
                f"season of {self.category}: peak {self.peak} and strength {self.strength:g}; give a "
                f"month from 1 to {MONTHS} and a strength from 0 to {MOST_STRENGTH:g}"
            )
        if self.category not in {category.name for category in CATEGORIES}:
            raise ConfigError(f"season of {self.category!r}: no category is called that")

    def factors(self, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Demand over its mean at positions in the year, in months: 0.5 is the middle of January."""
        turns = 2.0 * np.pi * (positions - (self.peak - 0.5)) / MONTHS
        return np.asarray(np.exp(self.strength * np.cos(turns)) / np.i0(self.strength))


@dataclass(frozen=True, eq=False)
class Seasons:
    """What the planted seasons make of a world's days.

    factors: float64 [categories, days], demand over its mean; clock: float64 [categories, days + 1], its sums
    """

    category: NDArray[np.int64]
    factors: NDArray[np.float64]
    clock: NDArray[np.float64]

    @classmethod
    def of(cls, config: WorldConfig, goods: Goods) -> Seasons | None:
        """None for a world without any."""
        if not config.seasons:
            return None
        days = np.datetime64(config.first_day, "D") + np.arange(config.days + config.horizon_days)
        months = days.astype("M8[M]")
        lengths = ((months + 1).astype("M8[D]") - months.astype("M8[D]")).astype(np.float64)
        inside = (days - months.astype("M8[D]")).astype(np.float64) + 0.5
        positions = months.astype(np.int64) % MONTHS + inside / lengths
        names = [category.name for category in CATEGORIES]
        factors = np.ones((len(names), len(days)))
        for season in config.seasons:
            factors[names.index(season.category)] *= season.factors(positions)
        clock = np.hstack([np.zeros((len(names), 1)), factors.cumsum(axis=1)])
        return cls(goods.category.astype(np.int64), factors, clock)

    def time(self, items: NDArray[np.int64], days: NDArray[np.integer]) -> NDArray[np.float64]:
        """How much of an item's demand there was from the window's first day to days; float64."""
        return np.asarray(self.clock[self.category[items], days])

    def wanted(
        self, items: NDArray[np.int64], days: NDArray[np.int64], random: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Which impulses to buy an item on a day are followed: in proportion to demand; bool."""
        category = self.category[items]
        share = self.factors[category, days] / self.factors.max(axis=1)[category]
        return np.asarray(random.random(len(items)) < share)
