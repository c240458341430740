"""The stage that foresees sales: public facts of the silos in, then their noised sums, forecasts out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, Ordering
from recsys.errors import ConfigError, TrainingError
from recsys.models.demand_fit import SiloFacts, fit
from training.config import DEMAND
from training.messages import PLACES
from training.places import read_facts
from training.scopes import demand_scope
from training.session import Arrays, Session


def run_demand(session: Session, popularities: NDArray[np.float64]) -> Arrays:
    """The demand model's arrays, from the silos with timestamps; empty without a share.

    Raises ConfigError for a silo with more areas than `demand.max_areas`, before anything is spent on it.
    """
    if not session.plan.has(DEMAND):
        return {}

    def make() -> Arrays:
        known = session.settings.known_until
        end = 0 if known is None else int(known.timestamp()) // SECONDS_PER_DAY
        scope = demand_scope(session.catalogue, popularities, session.settings.demand, end)
        facts = _facts(session)
        sums = session.rounds.sums(
            f"train.{DEMAND}",
            length=scope.length,
            among=sorted(facts),
            arrays={"popularity": popularities},
        )
        release = session.plan.release(DEMAND)
        return fit(sums, release.noise_std, scope, popularities, facts)

    return session.once(DEMAND, make)


def _facts(session: Session) -> dict[str, SiloFacts]:
    """What the silos with timestamps say of their stores and shelves."""
    timed = set(session.rounds.with_ordering(Ordering.TIMESTAMP))
    replies = session.rounds.ask_all(PLACES)
    facts = {
        silo: read_facts(silo, reply.fields, session.catalogue)
        for silo, reply in sorted(replies.items())
        if silo in timed
    }
    if not facts:
        raise TrainingError("no silo said which areas and items it has; see the silos' own logs")
    most = session.settings.demand.max_areas
    for silo, fact in facts.items():
        if len(fact.areas) - 1 > most:
            raise ConfigError(
                f"silo '{silo}' has {len(fact.areas) - 1} store areas, more than demand.max_areas = {most}; "
                "raise it"
            )
    return facts
