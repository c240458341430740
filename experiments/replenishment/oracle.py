"""When staples are bought next by the simulated world's own law: what no model could know better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from experiments.replenishment.forecast import HIGH, LOW, MIDDLE, Forecast
from recsys.models.replenishment import HORIZONS
from recsys.silos.simulator.config import DAYS_PER_WEEK, WorldConfig
from recsys.silos.simulator.people import People
from recsys.silos.simulator.shopping import Shopping

DRAWS, FURTHEST = 21, 400  # draws of how long units last; days ahead that are looked at
AT_ONCE = 2_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Law:
    """What the world knows of one silo's staples on the day after its window, but not what happens next.

    Known are how long units last on average, how much that varies, how often the customer shops on which
    weekday, and how often a due item is forgotten; and of the past the latest purchase, its units, and every
    trip since. Hidden stay how long those units last, and whether the habit has ended.

    day: float64 [s], of the latest purchase, in days of the window, NaN for none; units: float64 [s]
    cycles, beliefs: float64 [s, cycles], how long a unit may last on average, and how likely that is
    """

    config: WorldConfig
    people: People
    shopping: Shopping
    day: Floats
    units: Floats
    cycles: Floats
    beliefs: Floats

    @classmethod
    def of(cls, config: WorldConfig, people: People, shopping: Shopping) -> Law:
        """Find the latest purchase of every staple."""
        bought, n = shopping.restocking, len(shopping.staples)
        day, units = np.full(n, np.nan), np.full(n, np.nan)
        order = np.argsort(bought.day, kind="stable")
        day[bought.staple[order]] = bought.day[order]  # the latest is written last
        units[bought.staple[order]] = bought.units[order]
        cycles = shopping.staples.cycle[:, None]
        return cls(config, people, shopping, day, units, cycles, np.ones_like(cycles))

    def forecast(self, rows: NDArray[np.int64]) -> Forecast:
        """Of some staples with a purchase; days count from the end of the window."""
        parts = [self._part(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]
        if not parts:
            nothing = np.zeros(0)
            return Forecast(np.zeros((0, len(HORIZONS))), nothing, nothing, nothing)
        columns = ("chances", "expected", "low", "high")
        return Forecast(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))

    def _part(self, rows: NDArray[np.int64]) -> Forecast:
        due = self._due(rows)
        since = np.maximum(np.ceil(due), self.day[rows][:, None] + 1)
        passed = Passed.of(self.config, self.shopping).between(
            rows, since, np.full(len(rows), self.config.days)
        )
        weights = np.exp(passed) * np.repeat(self.beliefs[rows], DRAWS, axis=1)
        weights /= weights.sum(axis=1, keepdims=True)
        ahead = np.clip(np.ceil(due) - self.config.days, 0, FURTHEST).astype(np.int64)
        stay = self._stays(
            rows
        )  # log chance of no purchase on days 0 to d - 1, once it is due; [s, days + 1]
        cells = np.arange(len(rows))[:, None] * (FURTHEST + 1) + ahead
        ready = weights * np.exp(-np.take_along_axis(stay, ahead, axis=1))
        size = len(rows) * (FURTHEST + 1)
        mass = np.bincount(cells.ravel(), ready.ravel(), minlength=size).reshape(len(rows), -1).cumsum(axis=1)
        waiting = np.bincount(cells.ravel(), weights.ravel(), minlength=size).reshape(len(rows), -1)
        later = 1.0 - waiting.cumsum(axis=1)
        # A purchase on day d or before: due by then, and not passed over on every day since.
        by = 1.0 - (mass[:, :-1] * np.exp(stay[:, 1:]) + later[:, :-1])
        chances = by[:, [horizon - 1 for horizon in HORIZONS]]
        return Forecast(chances, *(_moment(by, q) for q in (MIDDLE, LOW, HIGH)))

    def _due(self, rows: NDArray[np.int64]) -> Floats:
        """When what was bought last may run out, evenly over its chances; float64 [s, cycles * DRAWS]."""
        cycle = self.cycles[rows] * self.units[rows][:, None]
        due = self.day[rows][:, None, None] + cycle[:, :, None] * lasting(self.config)
        return np.asarray(due.reshape(len(rows), -1))

    def _stays(self, rows: NDArray[np.int64]) -> Floats:
        """Cumulative log chance of not buying a due item on the days after the window; [s, FURTHEST + 1]."""
        config, members = self.config, self.shopping.members
        owner = self.shopping.staples.member[rows]
        days = (config.days + np.arange(FURTHEST)) % DAYS_PER_WEEK
        rate = members.trips[owner][:, None] / config.days * self.people.week[members.rows[owner]][:, days]
        kept = (1 - config.top_ups) * (1 - config.forget) + config.top_ups * (1 - config.top_up_forget)
        log = np.log1p(np.expm1(-rate) * kept)
        return np.hstack([np.zeros((len(rows), 1)), log.cumsum(axis=1)])


def lasting(config: WorldConfig) -> Floats:
    """Factors by which a unit lasts longer or shorter, evenly over their chances; float64 [DRAWS]."""
    spread = config.use_spread
    return np.asarray(np.exp(spread * ndtri((np.arange(DRAWS) + 0.5) / DRAWS) - 0.5 * spread**2))


@dataclass(frozen=True, eq=False)
class Passed:
    """The chances that trips pass a due item over.

    keys: int64 [trips], member and day, ascending; before: float64 [trips + 1], summed log chances
    """

    shopping: Shopping
    width: int
    keys: NDArray[np.int64]
    before: Floats

    @classmethod
    def of(cls, config: WorldConfig, shopping: Shopping) -> Passed:
        """Of the trips within the window."""
        trips, width = shopping.trips, config.days + FURTHEST + 1
        inside = trips.day < config.days
        log = np.log(np.where(trips.top_up[inside], config.top_up_forget, config.forget))
        keys = trips.member[inside] * width + trips.day[inside]
        return cls(shopping, width, keys, np.concatenate([[0.0], log.cumsum()]))

    def between(self, rows: NDArray[np.int64], first: Floats, end: NDArray[np.int64]) -> Floats:
        """Log chance that trips from day `first` [s, k] to before `end` [s] pass a staple over; [s, k]."""
        member = self.shopping.staples.member[rows][:, None] * self.width
        begin = np.searchsorted(self.keys, member + np.minimum(first, end[:, None]).astype(np.int64))
        return np.asarray(self.before[np.searchsorted(self.keys, member + end[:, None])] - self.before[begin])


def _moment(by: Floats, q: float) -> Floats:
    """When a share q has bought, a day's purchases falling evenly into it; by: [s, days], at days' ends."""
    day = np.minimum((by < q).sum(axis=1), by.shape[1] - 1)
    rows = np.arange(len(by))
    before = np.where(day > 0, by[rows, day - 1], 0.0)
    share = (q - before) / np.maximum(by[rows, day] - before, 1e-12)
    return np.asarray(day + np.clip(share, 0.0, 1.0))
