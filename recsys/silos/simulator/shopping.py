"""What the members of one silo buy, look at and say: due staples, variety from their taste, a few others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import EventType
from recsys.seeds import rng
from recsys.silos.simulator.catalogue import FloatArray, Goods
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.follow_ups import follow_up_lines
from recsys.silos.simulator.people import People
from recsys.silos.simulator.places import Place
from recsys.silos.simulator.seasons import Seasons
from recsys.silos.simulator.staples import Restocking, Staples, choose_staples, restock
from recsys.silos.simulator.trips import Members, Trips, make_trips, members_of

ABANDONED_CART = 0.3  # share of browsing that ends in a cart
RETURNED = 0.35  # share of feedback that is a return, the rest are ratings
SECOND_UNIT = 0.1


@dataclass(frozen=True)
class Lines:
    """Events of a silo's members, by member and time. trip: the row in Trips, whose store and day it shares.

    minute: int64 [e], minutes after midnight;  event: int8 [e], `EventType.code`
    """

    member: NDArray[np.int64]
    trip: NDArray[np.int64]
    item: NDArray[np.int64]
    units: NDArray[np.int64]
    event: NDArray[np.int8]
    minute: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.member)


@dataclass(frozen=True)
class Shopping:
    """One silo's part of a chunk, events and truth."""

    place: Place
    members: Members
    trips: Trips
    lines: Lines
    staples: Staples
    restocking: Restocking


def shop(
    config: WorldConfig, goods: Goods, people: People, place: Place, taken: NDArray[np.int64], chunk: int
) -> Shopping:
    """Let the chunk's members of one silo shop.

    taken: keys (person row × items + item) of staples that these persons already have in other silos
    """
    members = members_of(config, people, place)
    random = rng(config.seed, "shopping", place.name, chunk)
    trips = make_trips(config, people, place, members, random)
    sampler = _Sampler(people.taste(goods, members.rows, place.shelf), place.shelf)
    wanted = np.repeat(np.arange(len(members)), random.poisson(_staple_count(config, people, members)))
    drawn = _untaken(members, len(goods), wanted, sampler.draw(wanted, random), taken)
    staples = choose_staples(config, goods, people, members, drawn, random)
    seasons = Seasons.of(config, goods)
    restocking = restock(config, staples, trips, random, seasons)
    lines = _lines(config, people, members, trips, staples, restocking, sampler, seasons, random)
    if config.follow_ups:
        random = rng(config.seed, "follow-ups", place.name, chunk)
        lines = _with_follow_ups(config, goods, place, trips, lines, random)
    return Shopping(place, members, trips, lines, staples, restocking)


class _Sampler:
    """Draws items from each member's taste over the shelf, by inversion of the cumulated weights."""

    def __init__(self, weight: FloatArray, shelf: NDArray[np.int64]) -> None:
        total = np.cumsum(weight, axis=1, dtype=np.float64)
        total /= total[:, -1:]
        total += np.arange(len(weight))[:, None]
        self._steps, self._shelf = total.ravel(), shelf

    def draw(self, members: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        """One item for each entry of `members`; int64, item positions."""
        found = np.searchsorted(self._steps, members + random.random(len(members)), side="right")
        position = np.minimum(found - members * len(self._shelf), len(self._shelf) - 1)
        items: NDArray[np.int64] = self._shelf[position]
        return items


def _staple_count(config: WorldConfig, people: People, members: Members) -> NDArray[np.float64]:
    """Busier persons have more staples; a silo gets its share of them."""
    busy = (people.trips[members.rows] / config.trips) ** config.staples_elasticity
    return config.staples * busy * people.routine[members.rows] * members.share


def _untaken(
    members: Members,
    items: int,
    member: NDArray[np.int64],
    item: NDArray[np.int64],
    taken: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    free = ~np.isin(members.rows[member] * items + item, taken)
    return member[free], item[free]


def _lines(
    config: WorldConfig,
    people: People,
    members: Members,
    trips: Trips,
    staples: Staples,
    restocking: Restocking,
    sampler: _Sampler,
    seasons: Seasons | None,
    random: np.random.Generator,
) -> Lines:
    inside = np.flatnonzero(trips.day < config.days)
    variety = np.repeat(inside, random.poisson(people.variety[members.rows][trips.member[inside]]))
    browsed = np.repeat(inside, random.poisson(config.browsing, len(inside)))
    bought = _purchases(trips, staples, restocking, variety, sampler, seasons, random)
    looked = _browsing(trips, browsed, sampler, random)
    said = _feedback(config, trips, bought, random)
    return _sorted(_join(bought, looked, said))


def _purchases(
    trips: Trips,
    staples: Staples,
    restocking: Restocking,
    variety: NDArray[np.int64],
    sampler: _Sampler,
    seasons: Seasons | None,
    random: np.random.Generator,
) -> Lines:
    """Staples and variety together; an item that is both on one trip becomes one line."""
    member = staples.member[restocking.staple]
    days = int(trips.day.max(initial=0)) + 1
    due = np.searchsorted(trips.member * days + trips.day, member * days + restocking.day)
    extra = sampler.draw(trips.member[variety], random)
    if seasons is not None:
        followed = seasons.wanted(extra, trips.day[variety], random)
        extra, variety = extra[followed], variety[followed]
    trip = np.concatenate([due, variety])
    item = np.concatenate([staples.item[restocking.staple], extra])
    units = np.concatenate([restocking.units, 1 + (random.random(len(extra)) < SECOND_UNIT)])
    first = np.sort(np.unique(trip * (int(item.max(initial=0)) + 1) + item, return_index=True)[1])
    trip, item, units = trip[first], item[first], units[first]
    return _events(trips, trip, item, units, EventType.PURCHASE, np.zeros(len(trip), np.int64))


def _with_follow_ups(
    config: WorldConfig, goods: Goods, place: Place, trips: Trips, lines: Lines, random: np.random.Generator
) -> Lines:
    """The lines, and what the world's follow-up needs add to them; nothing twice on a trip."""
    bought = lines.event == EventType.PURCHASE.code
    known = lines.trip[bought], lines.item[bought]
    trip, item = follow_up_lines(config.follow_ups, goods, place.shelf, trips, known, random)
    keys = trip * len(goods) + item
    new = np.isin(keys, known[0] * len(goods) + known[1], invert=True) & (trips.day[trip] < config.days)
    first = np.unique(keys[new], return_index=True)[1]
    trip, item = trip[new][first], item[new][first]
    units = np.ones(len(trip), np.int64)
    more = _events(trips, trip, item, units, EventType.PURCHASE, np.zeros(len(trip), np.int64))
    return _sorted(_join(lines, more))


def _browsing(
    trips: Trips, browsed: NDArray[np.int64], sampler: _Sampler, random: np.random.Generator
) -> Lines:
    """Items looked at up to 25 minutes before the trip, some of them put in a cart that was not paid."""
    item = sampler.draw(trips.member[browsed], random)
    lines = _events(
        trips, browsed, item, np.ones_like(item), EventType.VIEW, -random.integers(1, 26, len(item))
    )
    cart = random.random(len(item)) < ABANDONED_CART
    event = np.where(cart, EventType.CART.code, lines.event).astype(np.int8)
    return Lines(lines.member, lines.trip, lines.item, lines.units, event, lines.minute)


def _feedback(config: WorldConfig, trips: Trips, bought: Lines, random: np.random.Generator) -> Lines:
    """Ratings and returns of something bought on the trip before, at the next trip."""
    following = bought.trip + 1
    possible = following < trips.offsets[bought.member + 1]
    possible &= trips.day[np.minimum(following, len(trips) - 1)] < config.days if len(trips) else False
    chosen = np.flatnonzero(possible & (random.random(len(bought)) < config.feedback))
    lines = _events(
        trips, following[chosen], bought.item[chosen], np.ones(len(chosen), np.int64), EventType.RATING, -1
    )
    returned = random.random(len(chosen)) < RETURNED
    event = np.where(returned, EventType.RETURN.code, lines.event).astype(np.int8)
    return Lines(lines.member, lines.trip, lines.item, lines.units, event, lines.minute)


def _events(
    trips: Trips,
    trip: NDArray[np.int64],
    item: NDArray[np.int64],
    units: NDArray[np.int64],
    event: EventType,
    shift: NDArray[np.int64] | int,
) -> Lines:
    minute = trips.minute[trip] + shift
    return Lines(trips.member[trip], trip, item, units, np.full(len(trip), event.code, np.int8), minute)


def _join(*parts: Lines) -> Lines:
    names = ("member", "trip", "item", "units", "event", "minute")
    return Lines(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _sorted(lines: Lines) -> Lines:
    order = np.lexsort((lines.item, lines.minute, lines.trip))
    return Lines(
        lines.member[order],
        lines.trip[order],
        lines.item[order],
        lines.units[order],
        lines.event[order],
        lines.minute[order],
    )
