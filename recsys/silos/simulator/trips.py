"""When the members of a silo go shopping: days by weekly habit, hours within opening times, a usual store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.silos.simulator.config import DAYS_PER_WEEK, WorldConfig
from recsys.silos.simulator.people import People
from recsys.silos.simulator.places import Place

LATER_SILO_VISITS = (1.0, 0.5, 0.35)  # relative visits to a person's first, second and third silo
USUAL_STORE = 0.85
NEVER = 32_000


@dataclass(frozen=True)
class Members:
    """The persons of a chunk who are customers of one silo.

    rows: int64 [m], positions among the chunk's persons, ascending;  rank: 1, 2, 3 in order of enrolment
    trips: float64 [m], expected trips to this silo in the window;  share: of the person's trips that go here
    """

    rows: NDArray[np.int64]
    rank: NDArray[np.int64]
    trips: NDArray[np.float64]
    share: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Trips:
    """Trips of members, member by member, each in order of days; at most one a day.

    member: int64 [t];  day: int64 [t], from the window's first day, may lie in the horizon after it
    top_up: bool [t], small trips
    store:  int64 [t], position among the silo's stores;  minute: int64 [t], after midnight
    offsets: int64 [m + 1], the trips of member i are offsets[i] to offsets[i + 1]
    """

    member: NDArray[np.int64]
    day: NDArray[np.int64]
    top_up: NDArray[np.bool_]
    store: NDArray[np.int64]
    minute: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.member)

    def padded_days(self) -> NDArray[np.int32]:
        """Days as a matrix [members, most trips], NEVER where there is no such trip."""
        counts = np.diff(self.offsets)
        days = np.full((len(counts), int(counts.max(initial=0))), NEVER, np.int32)
        days[self.member, np.arange(len(self)) - self.offsets[self.member]] = self.day
        return days


def members_of(config: WorldConfig, people: People, place: Place) -> Members:
    """Who of the chunk's persons is a customer of this silo, and how much of their shopping they do here."""
    visits = np.array([spec.visits for spec in config.silos])[people.silos] * np.array(LATER_SILO_VISITS)
    visits[people.silos < 0] = 0
    share = visits / visits.sum(axis=1, keepdims=True)
    rows, position = np.nonzero(people.silos == place.code)
    mine = share[rows, position]
    return Members(rows, position + 1, people.trips[rows] * mine, mine)


def make_trips(
    config: WorldConfig, people: People, place: Place, members: Members, random: np.random.Generator
) -> Trips:
    """Draw the trips of the window and of the horizon after it."""
    days = np.arange(config.days + config.horizon_days)
    rate = members.trips[:, None] / config.days * people.week[members.rows][:, days % DAYS_PER_WEEK]
    present = (days >= people.first_day[members.rows][:, None]) & (
        days < people.end_day[members.rows][:, None]
    )
    goes = (random.random(rate.shape) < -np.expm1(-rate)) & present
    member, day = np.nonzero(goes)
    store = _stores(people, place, members, member, random)
    offsets = np.concatenate([[0], np.cumsum(goes.sum(axis=1))]).astype(np.int64)
    minute = _minutes(people.hour[members.rows][member], place, store, random)
    return Trips(member, day, random.random(len(day)) < config.top_ups, store, minute, offsets)


def _stores(
    people: People,
    place: Place,
    members: Members,
    member: NDArray[np.int64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Mostly the nearest store, else any."""
    home = people.home[members.rows]
    distance = np.hypot(home[:, :1] - place.latitude, (home[:, 1:] - place.longitude) * 0.61)
    usual = np.argmin(distance, axis=1)[member]
    return np.where(
        random.random(len(member)) < USUAL_STORE, usual, random.integers(0, place.spec.stores, len(member))
    )


def _minutes(
    hour: NDArray[np.float64], place: Place, store: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Around the preferred hour, at least half an hour after opening and five minutes before closing."""
    wanted = np.rint(60 * hour + random.normal(0, 55, len(hour))).astype(np.int64)
    return np.clip(wanted, place.opens[store] + 30, place.closes[store] - 5)
