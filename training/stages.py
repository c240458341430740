"""The stages of noised statistics: ask for sums, add them, make public numbers of them, keep those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, Ordering
from recsys.models import followups, popularity, replenishment, season, season_fit
from recsys.models.followup_estimate import estimate
from recsys.models.followup_rules import FollowUp
from recsys.models.popularity_head import SPREAD, combined, head_of
from training import evaluation
from training.aggregation import NoisedTotal, total
from training.config import COPURCHASE, FOLLOWUPS, INTERVALS, METRICS, POPULARITY, SEASON
from training.scopes import category_scope, pair_scope
from training.session import Arrays, Session

FIRST_POPULARITY = f"{POPULARITY}-of-all"
NO_SEASON = (
    "what silos sent does not stand clear of noise; customers are few, or nobody's data go back further than "
    "the years before 'until' that count"
)


def run_popularity(session: Session) -> NDArray[np.float64]:
    """Posterior popularity of every item from the silos' noised sums; float64 [n_items], sums to 1."""
    n, told = len(session.catalogue), session.settings.popularity

    def of_all() -> NoisedTotal:
        return noised_total(session, POPULARITY, n)

    def make() -> Arrays:
        first = _kept(session, FIRST_POPULARITY, of_all) if told.head else of_all()
        found = popularity.posterior(first.values, first.noise_std)
        if told.head:
            again = noised_total(session, POPULARITY, n, number=1, arrays={"popularity": found})
            head, stds = head_of(found, told.head.items), (first.noise_std, again.noise_std)
            spread = SPREAD if told.head.weighing != told.weighing else 0.0
            found = combined(first.values, again.values, head, *stds, spread)
        return {"probabilities": found}

    return session.once(POPULARITY, make)["probabilities"]


def _kept(session: Session, name: str, ask: Callable[[], NoisedTotal]) -> NoisedTotal:
    """A noised total of the run folder, or a new one, so that an interruption pays for nothing twice."""
    file = f"{name}.safetensors"
    if not session.folder.has(file):
        noised = ask()
        session.folder.write_arrays(file, {"total": noised.values, "noise_std": np.array([noised.noise_std])})
    stored = session.folder.read_arrays(file)
    return NoisedTotal(stored["total"], float(stored["noise_std"][0]))


def run_intervals(session: Session) -> Arrays:
    """The replenishment model's arrays, from the silos with timestamps; empty without a share."""
    if not session.plan.has(INTERVALS):
        return {}

    def make() -> Arrays:
        shape = replenishment.histogram_shape(session.catalogue)
        timed = session.rounds.with_ordering(Ordering.TIMESTAMP)
        noised = noised_total(session, INTERVALS, int(np.prod(shape)), among=timed)
        return replenishment.fit(noised.values.reshape(shape), noised.noise_std).arrays()

    return session.once(INTERVALS, make)


def run_season(session: Session) -> Arrays:
    """Factors of categories by month, from the silos with timestamps; empty without a share.

    Empty too where what they sent does not stand clear of noise: where customers are few, or where no silo's
    data go back further than the years that count.
    """
    known = session.settings.known_until
    if not session.plan.has(SEASON) or known is None:
        return {}
    settings = session.settings.season
    shape = season.shape(session.catalogue, settings.years)

    def make() -> Arrays:
        timed = session.rounds.with_ordering(Ordering.TIMESTAMP)
        noised = noised_total(session, SEASON, int(np.prod(shape)), among=timed)
        return {"total": noised.values, "noise_std": np.array([noised.noise_std])}

    stored = session.once(SEASON, make)
    window = season.Window(int(known.timestamp()) // SECONDS_PER_DAY, settings.years)
    factors = season_fit.fit(
        stored["total"].reshape(shape),
        float(stored["noise_std"][0]),
        window,
        full_days=settings.full_days,
    )
    return {} if factors is None else {"season": factors}


def run_followups(session: Session, popularities: NDArray[np.float64]) -> tuple[FollowUp, ...]:
    """What is needed some time after a purchase, from the silos with timestamps; () without a share."""
    if not session.plan.has(FOLLOWUPS):
        return ()
    settings = session.settings.followups
    scope = category_scope(session.catalogue, popularities, settings)
    shape = followups.shape(scope)

    def make() -> Arrays:
        noised = noised_total(
            session,
            FOLLOWUPS,
            int(np.prod(shape)),
            among=session.rounds.with_ordering(Ordering.TIMESTAMP),
            arrays={"popularity": popularities},
        )
        return {"total": noised.values, "noise_std": np.array([noised.noise_std])}

    stored = session.once(FOLLOWUPS, make)
    asked = settings.model_dump(include={"full_cells", "false_rate", "least_chance"})
    return estimate(stored["total"].reshape(shape), float(stored["noise_std"][0]), scope.names, **asked)


def run_copurchase(session: Session, popularities: NDArray[np.float64]) -> NoisedTotal | None:
    """The noised co-purchase total over the popular items' pairs; None if the plan has no share for it."""
    if not session.plan.has(COPURCHASE):
        return None
    scope = pair_scope(popularities, session.settings.copurchase)

    def make() -> Arrays:
        noised = noised_total(session, COPURCHASE, scope.n_pairs, arrays={"popularity": popularities})
        return {"total": noised.values.astype(np.float32), "noise_std": np.array([noised.noise_std])}

    stored = session.once(COPURCHASE, make)
    return NoisedTotal(stored["total"].astype(np.float64), float(stored["noise_std"][0]))


def run_metrics(
    session: Session,
    popularities: NDArray[np.float64],
    vectors: NDArray[np.float32],
    history_table: NDArray[np.float32],
) -> dict[str, float]:
    """How well the model finds what came after `until`, from the silos' noised sums; {} without a share."""
    if not session.plan.has(METRICS):
        return {}

    def make() -> Arrays:
        noised = noised_total(
            session,
            METRICS,
            evaluation.LENGTH,
            among=session.rounds.with_ordering(Ordering.TIMESTAMP),
            arrays={"popularity": popularities, "vectors": vectors, "history_table": history_table},
        )
        return {"total": noised.values, "noise_std": np.array([noised.noise_std])}

    stored = session.once(METRICS, make)
    return evaluation.estimate(stored["total"], float(stored["noise_std"][0]))


def noised_total(session: Session, stage: str, length: int, **options: Any) -> NoisedTotal:
    """The sum of the silos' noised sums of a stage. Options: of `Rounds.sums`."""
    replies = session.rounds.sums(f"train.{stage}", length=length, **options)
    ordered = [replies[silo] for silo in sorted(replies)]
    return total(ordered, session.plan.release(stage))
