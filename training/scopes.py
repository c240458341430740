"""What all sides make of settings, catalogue and published numbers alone: the same everywhere, and public."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.features.profile import ProfileConfig, TasteProfile
from recsys.features.sequences import SequenceConfig
from recsys.models import demand
from recsys.models.category_scope import CategoryScope
from recsys.models.copurchase import PairScope
from recsys.towers.two_tower import TowerConfig
from training.sections import (
    CopurchaseSettings,
    DemandSettings,
    FollowupSettings,
    ProfileSettings,
    SequenceSettings,
    TowerModel,
)


def sequence_config(settings: SequenceSettings) -> SequenceConfig:
    """How histories become sequences, in training and in serving."""
    return SequenceConfig(settings.max_items, settings.decay, needs_order=settings.ordered)


def tower_config(settings: TowerModel) -> TowerConfig:
    """The towers' public constants, the same everywhere."""
    return TowerConfig(**settings.model_dump())


def taste_profile(
    catalogue: Catalogue, published: NDArray[np.float64], settings: ProfileSettings
) -> TasteProfile:
    """Tastes by public features: the same everywhere, made of the catalogue and published popularity."""
    return TasteProfile.of(catalogue, published, ProfileConfig(**settings.model_dump()))


def pair_scope(published: NDArray[np.float64], settings: CopurchaseSettings) -> PairScope:
    """Which pairs are counted: the same everywhere, made of published numbers alone."""
    return PairScope.from_popularity(published, settings.top_items, settings.full_rank, settings.max_pairs)


def category_scope(
    catalogue: Catalogue, published: NDArray[np.float64], settings: FollowupSettings
) -> CategoryScope:
    """Which categories follow-ups are looked for among: the same everywhere, of published numbers alone."""
    return CategoryScope.of(catalogue, published, settings.max_pairs, settings.exclude)


def demand_scope(
    catalogue: Catalogue, published: NDArray[np.float64], settings: DemandSettings, end: int
) -> demand.Scope:
    """What the vector of units stands for: the same everywhere, of public and published numbers alone."""
    return demand.Scope.of(catalogue, published, demand.Bounds(**settings.model_dump()), end)
