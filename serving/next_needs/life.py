"""What a server knows of life stages: the public plan, and the dates of those who agreed to their use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError
from recsys.silos.config import SiloConfig
from recsys.silos.life import LifeDate, LifePlan, PlannedNeed, read_life_dates
from serving.replenishment.calendar import as_date, local_days


@dataclass(frozen=True)
class NextNeed:
    """One need that comes up. start, end: local days; because: the day it is counted from."""

    planned: PlannedNeed
    because: date
    start: date
    end: date


@dataclass(frozen=True)
class Life:
    """The plan over a catalogue, and the dates by customer (none where the silo has no table of them)."""

    plan: LifePlan
    dates: Mapping[str, tuple[LifeDate, ...]]
    catalogue: Catalogue

    @classmethod
    def load(cls, config: SiloConfig, catalogue: Catalogue) -> Life | None:
        """As the silo's configuration says; None without a plan.

        Raises ConfigError for a plan whose categories the catalogue does not have, or dates without a plan;
        DataContractError for a broken table.
        """
        if config.life_plan is None:
            if config.life_events is not None:
                raise ConfigError(f"silo '{config.name}' has life_events but no life_plan; name a plan too")
            return None
        plan = LifePlan.load(config.life_plan)
        known = set(catalogue.categories) - {""}
        for need in plan.need:
            for name in filter(None, (need.category, need.bought)):
                if name not in known:
                    raise ConfigError(
                        f"{config.life_plan}: category {name!r} is not in the bundle's catalogue; "
                        "correct it, or serve a bundle with a newer catalogue"
                    )
        dates = {} if config.life_events is None else read_life_dates(config.life_events)
        return cls(plan, dates, catalogue)

    def needs(
        self, customer_id: str, h: Histories, *, today: date, timezone: str, lead_days: int, horizon_days: int
    ) -> list[NextNeed]:
        """What starts within the horizon, or has started and is not over, soonest first.

        A need is met, and left out, once something of its category was bought in its time (or `lead_days`
        before). h: the customer's own events with times.
        """
        bought = h.purchases()
        days, codes = local_days(bought.times, timezone), self.catalogue.category_codes[0][bought.items]
        found = [
            need
            for need in self._planned(customer_id, days, codes)
            if need.end >= today and need.start <= today + timedelta(days=horizon_days)
        ]
        first = {need: need.start - timedelta(days=lead_days) for need in found}
        unmet = [need for need in found if not self._met(need, days, codes, first[need])]
        return sorted(unmet, key=lambda need: (need.start, need.end, need.planned.category))

    def _planned(
        self, customer_id: str, days: NDArray[np.int32], codes: NDArray[np.int32]
    ) -> Iterator[NextNeed]:
        for need in self.plan.need:
            for because in self._starts(need, customer_id, days, codes):
                start, end = (because + timedelta(days=lag) for lag in (need.after_days, need.until_days))
                yield NextNeed(need, because, start, end)

    def _starts(
        self, need: PlannedNeed, customer_id: str, days: NDArray[np.int32], codes: NDArray[np.int32]
    ) -> list[date]:
        if need.bought is None:
            return [one.day for one in self.dates.get(customer_id, ()) if one.kind == need.date]
        own = days[codes == self._code(need.bought)]
        return [as_date(int(own.max()))] if len(own) else []

    def _met(self, need: NextNeed, days: NDArray[np.int32], codes: NDArray[np.int32], first: date) -> bool:
        own = [as_date(int(day)) for day in np.unique(days[codes == self._code(need.planned.category)])]
        after = need.because if need.planned.bought is not None else date.min
        return any(day >= first and day > after for day in own)

    def _code(self, category: str) -> int:
        return self.catalogue.category_codes[1].index(category)
