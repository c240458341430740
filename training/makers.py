"""Which of `training.local` makes a stage's sum, and what of a request it is told."""

from __future__ import annotations

from recsys.privacy.plan import PrivacyPlan
from training import local, scopes
from training.config import (
    COPURCHASE,
    DEMAND,
    FOLLOWUPS,
    INTERVALS,
    METRICS,
    POPULARITY,
    RHYTHM,
    SEASON,
    SiloSettings,
)
from training.evaluation import Published
from training.exact import RhythmRound
from training.loading import TrainingData
from training.messages import Request
from training.spend import Released, Reservation


def _popularity(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, request: Request, reservation: Reservation
) -> Released:
    published = request.array("popularity") if request.number("round") else None
    return local.popularity_sum(data, plan, settings, reservation, published)


def _intervals(
    data: TrainingData,
    plan: PrivacyPlan,
    _settings: SiloSettings,
    _request: Request,
    reservation: Reservation,
) -> Released:
    return local.interval_sum(data, plan, reservation)


def _rhythm(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, request: Request, reservation: Reservation
) -> Released:
    told = RhythmRound(*(request.array(name) for name in ("popularity", "usual", "parameters")))
    return local.rhythm_sum(data, plan, settings, told, reservation)


def _season(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, _request: Request, reservation: Reservation
) -> Released:
    return local.season_sum(data, plan, settings, reservation)


def _followups(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, request: Request, reservation: Reservation
) -> Released:
    return local.followup_sum(data, plan, settings, request.array("popularity"), reservation)


def _demand(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, request: Request, reservation: Reservation
) -> Released:
    return local.demand_sum(data, plan, settings, request.array("popularity"), reservation)


def _copurchase(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, request: Request, reservation: Reservation
) -> Released:
    return local.copurchase_sum(data, plan, settings, request.array("popularity"), reservation)


def _metrics(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, request: Request, reservation: Reservation
) -> Released:
    popularity = request.array("popularity")
    published = Published(
        popularity,
        request.array("vectors"),
        request.array("history_table"),
        scopes.taste_profile(data.dataset.catalogue, popularity, settings.profile),
        scopes.sequence_config(settings.sequences),
    )
    return local.metrics_sum(data, plan, published, reservation)


MAKERS = {
    POPULARITY: _popularity,
    INTERVALS: _intervals,
    RHYTHM: _rhythm,
    SEASON: _season,
    FOLLOWUPS: _followups,
    DEMAND: _demand,
    COPURCHASE: _copurchase,
    METRICS: _metrics,
}
"""Each stage's maker of its noised sum. TOWERS is not among them: its steps are charged in blocks."""
