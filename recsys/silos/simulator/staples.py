"""Staples: items that a customer uses up at a steady rate and buys again on the next trip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.silos.simulator.catalogue import Goods
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.people import People
from recsys.silos.simulator.seasons import Seasons
from recsys.silos.simulator.trips import NEVER, Members, Trips

PER_CATEGORY = 2  # at most this many staples of one category
HOUSEHOLD_EXPONENT = 0.6
PERSONAL_SPREAD = 0.25  # sd of the log of how fast a person uses a category up, against the household's size


@dataclass(frozen=True)
class Staples:
    """Staples of a silo's members, true and hidden.

    member: int64 [s];  item: int64 [s];  cycle: float64 [s], mean days that one unit lasts
    interval: float64 [s], expected days between purchases: the cycle, two units at times, the wait for a trip
    begins, ends: int64 [s], days between which the habit lives
    """

    member: NDArray[np.int64]
    item: NDArray[np.int64]
    cycle: NDArray[np.float64]
    interval: NDArray[np.float64]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.member)


@dataclass(frozen=True)
class Restocking:
    """What the staples led to: purchases in the window (rows of Staples, day, units), and the next ones.

    next_day: int64 [s], the first purchase after the window, NEVER if none falls in the horizon
    """

    staple: NDArray[np.int64]
    day: NDArray[np.int64]
    units: NDArray[np.int64]
    next_day: NDArray[np.int64]


def choose_staples(
    config: WorldConfig,
    goods: Goods,
    people: People,
    members: Members,
    drawn: tuple[NDArray[np.int64], NDArray[np.int64]],
    random: np.random.Generator,
) -> Staples:
    """Make staples of draws (member, item) from taste: consumables, each once, few per category."""
    member, item, alike = _thin(goods, *drawn)
    lasting = alike * _pace(config, people, members)[member]
    lasting *= np.exp(random.normal(0, PERSONAL_SPREAD, len(member)))
    begins, ends = np.zeros(len(member), np.int64), np.full(len(member), NEVER)
    some = random.integers(0, config.days, (2, len(member)))
    begins = np.where(random.random(len(member)) < config.habits_forming, some[0], begins)
    ends = np.where(random.random(len(member)) < config.habits_ending, np.maximum(some[1], begins + 1), ends)
    cycle = np.maximum(goods.cycle_days[item] * lasting, 1.0)
    interval = cycle * (1 + config.double) + _wait(config, members)[member]
    return Staples(member, item, cycle, interval, begins, ends)


def _wait(config: WorldConfig, members: Members) -> NDArray[np.float64]:
    """Mean days from running out to the next trip on which the item is not forgotten."""
    kept = (1 - config.top_ups) * (1 - config.forget) + config.top_ups * (1 - config.top_up_forget)
    wait: NDArray[np.float64] = config.days / (members.trips * kept)
    return wait


def _pace(config: WorldConfig, people: People, members: Members) -> NDArray[np.float64]:
    """Factor on the categories' cycles: small households use less, rare shoppers also buy elsewhere."""
    household = (2 / people.household[members.rows]) ** HOUSEHOLD_EXPONENT
    rare = (config.trips / people.trips[members.rows]) ** config.wallet
    pace: NDArray[np.float64] = config.cycle_stretch * household * rare
    return pace


def restock(
    config: WorldConfig,
    staples: Staples,
    trips: Trips,
    random: np.random.Generator,
    seasons: Seasons | None = None,
) -> Restocking:
    """Walk through the members' trips; on each, buy the staples that have run out.

    seasons: what makes some categories run out sooner; when something runs out is told by their clock
    """
    due = _time(seasons, staples.item, staples.begins) + random.random(len(staples)) * staples.cycle
    days, next_day = trips.padded_days(), np.full(len(staples), NEVER, np.int64)
    forget = np.where(trips.top_up, config.top_up_forget, config.forget)
    counts = np.diff(trips.offsets)[staples.member]
    order, ascending = np.argsort(-counts, kind="stable"), np.sort(counts)
    bought = [np.zeros((3, 0), np.int64)]
    for trip in range(days.shape[1]):
        active = order[: len(order) - int(np.searchsorted(ascending, trip, side="right"))]
        owner = staples.member[active]
        day, skips = days[owner, trip], random.random(len(active)) < forget[trips.offsets[owner] + trip]
        run_out = due[active] <= _time(seasons, staples.item[active], day)
        buys = run_out & (day < staples.ends[active]) & ~skips
        rows, on = active[buys], day[buys].astype(np.int64)
        units = 1 + (random.random(len(rows)) < config.double)
        lasts = staples.cycle[rows] * units * _variation(config, len(rows), random)
        due[rows] = _time(seasons, staples.item[rows], on) + lasts
        after = on >= config.days
        next_day[rows[after]] = np.minimum(next_day[rows[after]], on[after])
        bought.append(np.stack([rows, on, units])[:, ~after])
    rows, on, units = np.concatenate(bought, axis=1)
    return Restocking(rows, on, units, next_day)


def _time(
    seasons: Seasons | None, items: NDArray[np.int64], days: NDArray[np.integer]
) -> NDArray[np.integer] | NDArray[np.float64]:
    """Days of the window by the clock of each item's season; by the calendar without one."""
    return days if seasons is None else seasons.time(items, days)


def _variation(config: WorldConfig, n: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Factors with mean 1 by which one unit lasts longer or shorter."""
    return np.exp(random.normal(-0.5 * config.use_spread**2, config.use_spread, n))


def _thin(
    goods: Goods, member: NDArray[np.int64], item: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Keep few per category; the third array says among how many the person rotates."""
    keep = goods.consumable[item]
    key = np.unique(member[keep] * len(goods) + item[keep])
    member, item = key // len(goods), key % len(goods)
    group = member * (int(goods.category.max()) + 1) + goods.category[item]
    order = np.argsort(group, kind="stable")
    place = np.arange(len(order)) - np.searchsorted(group[order], group[order])
    kept = np.sort(order[place < PER_CATEGORY])
    _, row, count = np.unique(group[kept], return_inverse=True, return_counts=True)
    return member[kept], item[kept], count[row]
