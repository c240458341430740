"""What stages add up of a silo's customers, exact: it leaves as `training.local` releases it, or never."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY
from recsys.data.split import Split
from recsys.errors import PlanError
from recsys.models import demand, followups, popularity, season
from recsys.models.hazard import appeal
from recsys.models.intervals import consumables
from recsys.models.popularity_head import head_of
from recsys.models.rhythm import Examples, Public
from training.config import SiloSettings
from training.loading import TrainingData
from training.scopes import category_scope, demand_scope


class RhythmRound(NamedTuple):
    """What silos are told of a round: published numbers, and where its gradients are taken.

    popularity: float64 [n_items]; usual: float64 [n_items], log days between purchases; moved: see
    `recsys.models.rhythm`
    """

    popularity: NDArray[np.float64]
    usual: NDArray[np.float64]
    moved: NDArray[np.float64]


def popularity_counts(
    data: TrainingData, settings: SiloSettings, published: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """The raw sum of `local.popularity_sum`; float64 [n_items]."""
    told, histories, n_items = settings.popularity, data.dataset.histories, len(data.dataset.catalogue)
    if published is None or told.head is None:
        return popularity.contribution(histories, n_items, told.max_items, told.weighing)
    head = head_of(published, told.head.items)
    return popularity.contribution(histories, n_items, told.max_items, told.head.weighing, head)


def rhythm_examples(data: TrainingData, settings: SiloSettings, told: RhythmRound) -> Examples:
    """What the silo's customers learn from; kept for the next round.

    Raises PlanError as `local.rhythm_sum`.
    """
    catalogue, histories = data.dataset.catalogue, data.dataset.histories
    end = end_day(settings, histories.utc_offset_seconds)
    public = Public(told.usual, appeal(told.popularity), consumables(catalogue), end)
    if public.key not in data.kept:
        data.kept.clear()
        data.kept[public.key] = Examples(histories, public)
    return data.kept[public.key]


def season_days(data: TrainingData, settings: SiloSettings) -> NDArray[np.float64]:
    """The raw sum of `local.season_sum`; float64 [years, categories, months]."""
    catalogue, histories = data.dataset.catalogue, data.dataset.histories
    window = season.Window(end_day(settings, histories.utc_offset_seconds), settings.season.years)
    return season.contribution(histories, catalogue, window, full_days=settings.season.full_days)


def followup_cells(
    data: TrainingData, settings: SiloSettings, published: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The raw sum of `local.followup_sum`; float64 [m, m, bins]."""
    catalogue, histories = data.dataset.catalogue, data.dataset.histories
    known = settings.known_until is not None
    end = end_day(settings, histories.utc_offset_seconds) if known else None
    scope = category_scope(catalogue, published, settings.followups).without(data.hidden)
    return followups.contribution(histories, scope, end=end, full_cells=settings.followups.full_cells)


def demand_units(
    data: TrainingData, settings: SiloSettings, published: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The raw sum of `local.demand_sum`; float64 [length]."""
    end = end_day(settings, data.dataset.histories.utc_offset_seconds)
    scope = demand_scope(data.dataset.catalogue, published, settings.demand, end)
    return demand.contribution(data.dataset.histories, scope)


def held_out(data: TrainingData) -> Split:
    """What a model is measured by. Raises PlanError where nothing was held out: settings decide that."""
    if data.held_out is None:
        raise PlanError("nothing was held out to measure by; set 'until' and use data with timestamps")
    return data.held_out


def end_day(settings: SiloSettings, utc_offset_seconds: int) -> int:
    """The day up to which the data are complete. Raises PlanError where nobody said so."""
    if settings.known_until is None:
        raise PlanError("nobody said up to when the data are complete; set 'until' or 'rhythm.as_of'")
    return (int(settings.known_until.timestamp()) + utc_offset_seconds) // SECONDS_PER_DAY
