"""The persons of one chunk: tastes, habits, households and memberships. Hidden truth, all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.seeds import derive_seed, rng
from recsys.silos.simulator.catalogue import STYLE_DIMENSIONS, FloatArray, Goods
from recsys.silos.simulator.config import DAYS_PER_WEEK, MAX_MEMBERSHIPS, WorldConfig
from recsys.silos.simulator.lexicon import CATEGORIES, SEGMENTS
from recsys.silos.simulator.places import CITY, CITY_RADIUS

UNGATED_DEMAND = 0.012  # demand for a gated category by persons outside its segments
HABIT_DAYS = (6.0, 3.0)  # how much likelier the first and second preferred weekday are than another day
SHOP_WEEK = (0.8, 0.8, 0.9, 1.0, 1.3, 1.5, 0.7)  # everybody's week, Monday first


@dataclass(frozen=True)
class People:
    """n persons; `index` is their number in the world.

    segments:  bool [n, segments];  demand: float32 [n, categories];  style: float32 [n, STYLE_DIMENSIONS]
    trips:     expected trips in the window, all silos together
    routine:   factor on the number of staples;  variety: lines of a trip that are no staples
    week:      float64 [n, 7], relative chance of a trip by weekday, mean 1
    first_day, end_day: days of the window on which the person begins and ceases to shop
    silos:     int64 [n, 3], silo codes in order of enrolment, -1 for none
    hour:      preferred hour of the day
    """

    index: NDArray[np.int64]
    segments: NDArray[np.bool_]
    demand: FloatArray
    style: FloatArray
    household: NDArray[np.int64]
    trips: NDArray[np.float64]
    routine: NDArray[np.float64]
    variety: NDArray[np.float64]
    week: NDArray[np.float64]
    first_day: NDArray[np.int64]
    end_day: NDArray[np.int64]
    home: NDArray[np.float64]
    hour: NDArray[np.float64]
    silos: NDArray[np.int64]
    keyed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.index)

    def taste(self, goods: Goods, rows: NDArray[np.int64], items: NDArray[np.int64]) -> FloatArray:
        """How strongly some persons are drawn to some items: float32 [rows, items], not normalised."""
        weight: FloatArray = np.exp(self.style[rows] @ goods.style[items].T)
        weight *= self.demand[rows][:, goods.category[items]]
        weight *= goods.attractiveness[items]
        return weight


def make_people(config: WorldConfig, chunk: int) -> People:
    """The persons of one chunk; depends on the configuration's behaviour and the chunk's number alone."""
    first = chunk * config.chunk_persons
    index = np.arange(first, min(first + config.chunk_persons, config.persons))
    n, random = len(index), rng(config.seed, "people", chunk)
    segments = random.random((n, len(SEGMENTS))) < np.array([s.share for s in SEGMENTS])
    busy = random.gamma(config.trips_shape, config.trips / config.trips_shape, n)
    first_day, end_day = _presence(config, n, random)
    return People(
        index,
        segments,
        _demand(config, segments, random),
        _style(segments, random),
        1 + random.binomial(4, np.where(segments[:, 0], 0.6, 0.28)),
        np.clip(busy, 1.0, 0.6 * config.days),
        random.gamma(config.routine_shape, 1 / config.routine_shape, n),
        random.gamma(config.variety_shape, config.variety / config.variety_shape, n),
        _week(n, random),
        first_day,
        end_day,
        np.array(CITY) + random.normal(0, 1, (n, 2)) * CITY_RADIUS * np.array([1.0, 1.6]),
        random.choice([10.0, 12.5, 17.5, 19.0], n, p=[0.25, 0.15, 0.4, 0.2]) + random.normal(0, 0.7, n),
        _enrol(config, n, random),
        random.random(n) >= config.without_key,
    )


def pseudonyms(seed: int, purpose: str, numbers: NDArray[np.int64]) -> list[str]:
    """Random-looking ids of 16 hexadecimal digits, one for one: different numbers never share an id."""
    mixed = numbers.astype(np.uint64) + np.uint64(derive_seed(seed, purpose))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return [f"{number:016x}" for number in mixed.tolist()]


def _demand(config: WorldConfig, segments: NDArray[np.bool_], random: np.random.Generator) -> FloatArray:
    names = [c.name for c in CATEGORIES]
    lift = np.zeros((len(SEGMENTS), len(names)))
    for row, segment in enumerate(SEGMENTS):
        for name, factor in segment.demand.items():
            lift[row, names.index(name)] = np.log(factor)
    base = np.log(np.where([c.gated for c in CATEGORIES], UNGATED_DEMAND, 1.0))
    own = random.gamma(config.category_sparsity, 1 / config.category_sparsity, (len(segments), len(names)))
    return (np.exp(base + segments @ lift) * own).astype(np.float32)


def _style(segments: NDArray[np.bool_], random: np.random.Generator) -> FloatArray:
    lean = np.zeros((len(SEGMENTS), STYLE_DIMENSIONS))
    lean[:, :3] = [segment.style for segment in SEGMENTS]
    return (segments @ lean + random.normal(0, 1, (len(segments), STYLE_DIMENSIONS))).astype(np.float32)


def _week(n: int, random: np.random.Generator) -> NDArray[np.float64]:
    habit = np.ones((n, DAYS_PER_WEEK))
    order = np.argsort(random.gumbel(size=(n, DAYS_PER_WEEK)) + np.log(SHOP_WEEK), axis=1)
    for place, factor in enumerate(HABIT_DAYS, start=1):
        habit[np.arange(n), order[:, -place]] = factor
    habit *= np.array(SHOP_WEEK)
    week: NDArray[np.float64] = habit / habit.mean(axis=1, keepdims=True)
    return week


def _presence(
    config: WorldConfig, n: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    arrives = random.integers(0, config.days, n)
    leaves = random.integers(0, config.days, n)
    first = np.where(random.random(n) < config.newcomers, arrives, 0)
    leaving = (random.random(n) < config.leavers) & (leaves > first + 14)
    return first, np.where(leaving, leaves, config.days + config.horizon_days)


def _enrol(config: WorldConfig, n: int, random: np.random.Generator) -> NDArray[np.int64]:
    """One to three silos per person, drawn one after another without replacement."""
    first = np.array([spec.first_weight for spec in config.silos])
    later = np.log([spec.later_weight for spec in config.silos]) + random.gumbel(size=(n, len(config.silos)))
    silos = np.full((n, MAX_MEMBERSHIPS), -1)
    silos[:, 0] = random.choice(len(first), n, p=first / first.sum())
    later[np.arange(n), silos[:, 0]] = -np.inf
    silos[:, 1:] = np.argsort(-later, axis=1)[:, : MAX_MEMBERSHIPS - 1]
    count = 1 + random.choice(MAX_MEMBERSHIPS, n, p=config.memberships)
    silos[np.arange(MAX_MEMBERSHIPS) >= count[:, None]] = -1
    return silos
