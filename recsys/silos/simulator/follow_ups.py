"""Follow-up needs that a world can be told to have: after one category, another one at a lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.silos.simulator.lexicon import CATEGORIES

if TYPE_CHECKING:
    from recsys.silos.simulator.catalogue import Goods
    from recsys.silos.simulator.trips import Trips


@dataclass(frozen=True)
class PlantedFollowUp:
    """A law of the world: `chance` of those who buy the first category for the first time want the second.

    They want it after_days to until_days later, each day alike, and buy it on their next trip.
    """

    first: str
    second: str
    after_days: int
    until_days: int
    chance: float

    def __post_init__(self) -> None:
        if not 0 < self.after_days <= self.until_days or not 0.0 <= self.chance <= 1.0:
            raise ConfigError(
                f"follow-up {self.first} -> {self.second}: lags {self.after_days} to {self.until_days} and "
                f"chance {self.chance:g}; give lags from 1 day on, in order, and a chance from 0 to 1"
            )
        for name in (self.first, self.second):
            if name not in {category.name for category in CATEGORIES}:
                raise ConfigError(f"follow-up {self.first} -> {self.second}: no category is called {name!r}")


def follow_up_lines(
    rules: tuple[PlantedFollowUp, ...],
    goods: Goods,
    shelf: NDArray[np.int64],
    trips: Trips,
    bought: tuple[NDArray[np.int64], NDArray[np.int64]],
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the rules make members buy: trips and items, int64 each.

    bought: (trip, item) of the members' other purchases
    """
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    names = [category.name for category in CATEGORIES]
    trip, item = bought
    for rule in rules:
        first, second = names.index(rule.first), names.index(rule.second)
        offered = shelf[goods.category[shelf] == second]
        starts = np.sort(trip[goods.category[item] == first])
        members, place = np.unique(trips.member[starts], return_index=True)
        wants = random.random(len(members)) < rule.chance
        lag = random.integers(rule.after_days, rule.until_days + 1, len(members))
        if not len(offered):
            continue
        days = int(trips.day.max()) + rule.until_days + 1
        wanted = members * days + trips.day[starts[place]] + lag
        found = np.searchsorted(trips.member * days + trips.day, wanted)
        wants &= trips.member[np.minimum(found, len(trips) - 1)] == members
        wants &= found < len(trips)
        demand = goods.attractiveness[offered].astype(np.float64)
        chosen = random.choice(offered, int(wants.sum()), p=demand / demand.sum())
        parts.append((found[wants], chosen))
    return np.concatenate([made[0] for made in parts]), np.concatenate([made[1] for made in parts])
