"""The split of a data set by one date: what is known before it, and what happened after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from experiments.quality.protocols import PERIOD
from experiments.quality.tables import Purchases
from experiments.quality.trial import Trial
from experiments.replenishment.pairs import Pairs
from recsys.data.history import SECONDS_PER_DAY, Histories, Ordering
from recsys.data.split import temporal_events
from recsys.errors import ConfigError
from recsys.models.replenishment import HORIZONS

LEAST_DAYS = max(HORIZONS)
"""Days before and after the cut-off without which nothing can be learned or measured."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A data set cut in two.

    histories: all purchases, without the data set's own test part; day: the first day that is not known
    ahead: days of data from that day on; trial: the same split for what deals silos and ranks lists
    pairs: every pair bought before the day; next: float64 [pairs], days to the next purchase, inf for none
    """

    histories: Histories
    day: int
    ahead: int
    trial: Trial
    pairs: Pairs
    next: NDArray[np.float64]

    @property
    def known(self) -> Histories:
        """The purchases before the day, of all customers; some have none."""
        return self.histories.where(self.trial.train)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """The pairs that are measured: bought on two days or more; bool [pairs]."""
        return self.pairs.counts > 0


def cut(data: Purchases, cutoff: date | None = None) -> Cut:
    """Cut a data set by a date: 80 % of its period, or earlier so that 30 days are left, unless given.

    Raises ConfigError for data without timestamps, a date with less than 30 days of data on either side, and
    data without any pair that was bought twice before it.
    """
    if data.histories.ordering is not Ordering.TIMESTAMP:
        raise ConfigError(
            f"{data.source}: column 'timestamp' is missing, without which nothing has a date; add it"
        )
    histories, notes = data.histories, []
    if data.test.any():
        histories = histories.where(~data.test)
        notes.append("the data set's own test part is left out")
    days = histories.times // SECONDS_PER_DAY
    first, last = int(days.min()), int(days.max())
    day = _day(data, first, last, cutoff)
    rule = (
        "given" if cutoff is not None else f"{PERIOD:.0%} of the period, or {LEAST_DAYS} days before its end"
    )
    notes.append(f"cut-off {_iso(day)} ({rule}); data from {_iso(first)} to {_iso(last)}")
    events = temporal_events(histories, day * SECONDS_PER_DAY)
    trial = Trial(
        histories,
        len(data.catalogue),
        events.train,
        events.train,
        events.target,
        events.customers,
        "relevant",
        False,
        "recall_at_10",
        tuple(notes),
    )
    pairs = Pairs.on(histories, day, len(data.catalogue))
    made = Cut(histories, day, last + 1 - day, trial, pairs, pairs.next_purchase(histories))
    if not made.judged.any():
        raise ConfigError(
            f"{data.source}: nobody bought an item on two days before {_iso(day)}, so no rhythm can be "
            "measured; give a later --cutoff, or another data set"
        )
    return made


def _day(data: Purchases, first: int, last: int, cutoff: date | None) -> int:
    latest, earliest = last + 1 - LEAST_DAYS, first + LEAST_DAYS
    if latest < earliest:
        raise ConfigError(
            f"{data.source}: the data run from {_iso(first)} to {_iso(last)}; "
            f"{LEAST_DAYS} days are needed before the cut-off and {LEAST_DAYS} after it"
        )
    if cutoff is None:
        return max(min(first + round(PERIOD * (last + 1 - first)), latest), earliest)
    day = (cutoff - date(1970, 1, 1)).days
    if not earliest <= day <= latest:
        raise ConfigError(
            f"--cutoff {_iso(day)}: {LEAST_DAYS} days of data are needed before it and after it; "
            f"give a date from {_iso(earliest)} to {_iso(latest)}"
        )
    return day


def _iso(day: int) -> str:
    return datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).date().isoformat()
