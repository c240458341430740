"""What a server knows of next needs: the public plan, dates whose use was agreed to, learned rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError
from recsys.models.followup_rules import FollowUp
from recsys.silos.config import SiloConfig
from recsys.silos.life import LifeDate, LifePlan, PlannedNeed, sound_life_dates
from serving.next_needs.learned import allowed, learned_needs
from serving.next_needs.need import NextNeed
from serving.replenishment.calendar import as_date, local_days


@dataclass(frozen=True)
class Life:
    """The plan over a catalogue, the dates by customer (none where the silo has no table of them), and rules.

    plan: None where the silo has none; learned: published follow-ups that the silo does not exclude
    """

    plan: LifePlan | None
    dates: Mapping[str, tuple[LifeDate, ...]]
    catalogue: Catalogue
    learned: tuple[FollowUp, ...] = ()

    @classmethod
    def load(
        cls, config: SiloConfig, catalogue: Catalogue, follow_ups: Sequence[FollowUp] | None = None
    ) -> Life | None:
        """As the silo's configuration says; None without a plan where the bundle has no follow-ups either.

        Raises ConfigError for a plan, or exclusions, whose categories the catalogue does not have, or dates
        without a plan; DataContractError for a table that cannot be read. One customer's broken rows keep
        that customer's dates from being used, and nothing else.
        """
        learned = allowed(follow_ups or (), config, catalogue)
        if config.life_plan is None:
            if config.life_events is not None:
                raise ConfigError(f"silo '{config.name}' has life_events but no life_plan; name a plan too")
            return None if follow_ups is None else cls(None, {}, catalogue, learned)
        plan = LifePlan.load(config.life_plan)
        _check(plan, config.life_plan, catalogue)
        dates = {} if config.life_events is None else sound_life_dates(config.life_events)
        return cls(plan, dates, catalogue, learned)

    def needs(
        self, customer_id: str, h: Histories, *, today: date, timezone: str, lead_days: int, horizon_days: int
    ) -> list[NextNeed]:
        """What starts within the horizon, or has started and is not over, soonest first.

        A need is met, and left out, once something of its category was bought in its time (or `lead_days`
        before). What the plan says of a category goes before what was learned of it.
        h: the customer's own events with times.
        """
        bought = h.purchases()
        days, codes = local_days(bought.times, timezone), self.catalogue.category_codes[0][bought.items]
        latest = today + timedelta(days=horizon_days)

        def coming(need: NextNeed) -> bool:
            return need.end >= today and need.start <= latest

        first = timedelta(days=lead_days)
        planned = [
            need
            for need in self._planned(customer_id, days, codes)
            if coming(need) and not self._met(need, days, codes, need.start - first)
        ]
        known, learned = {need.category for need in planned}, dict[str, NextNeed]()
        for need in learned_needs(self.learned, self.catalogue, days, codes):
            if coming(need) and need.category not in known:
                learned.setdefault(need.category, need)
        return sorted([*planned, *learned.values()], key=lambda need: (need.start, need.end, need.category))

    def _planned(
        self, customer_id: str, days: NDArray[np.int32], codes: NDArray[np.int32]
    ) -> Iterator[NextNeed]:
        for need in () if self.plan is None else self.plan.need:
            kind, name = ("date", need.date) if need.bought is None else ("bought", need.bought)
            text = need.note or (
                f"You told us a date: {need.date}" if kind == "date" else f"You bought {need.bought}"
            )
            for because in self._starts(need, customer_id, days, codes):
                start, end = (because + timedelta(days=lag) for lag in (need.after_days, need.until_days))
                yield NextNeed(need.category, because, start, end, kind, str(name), text)

    def _starts(
        self, need: PlannedNeed, customer_id: str, days: NDArray[np.int32], codes: NDArray[np.int32]
    ) -> list[date]:
        if need.bought is None:
            return [one.day for one in self.dates.get(customer_id, ()) if one.kind == need.date]
        own = days[codes == self._code(need.bought)]
        return [as_date(int(own.max()))] if len(own) else []

    def _met(self, need: NextNeed, days: NDArray[np.int32], codes: NDArray[np.int32], first: date) -> bool:
        own = [as_date(int(day)) for day in np.unique(days[codes == self._code(need.category)])]
        after = need.because if need.kind == "bought" else date.min
        return any(day >= first and day > after for day in own)

    def _code(self, category: str) -> int:
        return self.catalogue.category_codes[1].index(category)


def _check(plan: LifePlan, path: Path, catalogue: Catalogue) -> None:
    known = set(catalogue.categories) - {""}
    for need in plan.need:
        for name in filter(None, (need.category, need.bought)):
            if name not in known:
                raise ConfigError(
                    f"{path}: category {name!r} is not in the bundle's catalogue; "
                    "correct it, or serve a bundle with a newer catalogue"
                )
