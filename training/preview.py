"""What a run would send out of one silo, told before anything is computed: for the silo's operator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np

from recsys.data.vocab import Catalogue
from recsys.features.items import item_features
from recsys.models import category_scope, followups, replenishment, rhythm, season
from recsys.privacy import accountant
from recsys.privacy.plan import PrivacyPlan
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.towers.two_tower import table_shape
from training import evaluation
from training.config import (
    COPURCHASE,
    DEMAND,
    FOLLOWUPS,
    INTERVALS,
    METRICS,
    POPULARITY,
    RHYTHM,
    SEASON,
    TOWERS,
    TrainingConfig,
)
from training.egress import EGRESS, Leaves
from training.plan import make_plan
from training.scopes import demand_scope, tower_config

FLOAT32 = 4


@dataclass(frozen=True)
class PreviewedField:
    """One field of a silo's messages: how it leaves, why that is safe, its value where it is known now."""

    name: str
    leaves: str
    why: str
    value: str | None


@dataclass(frozen=True)
class PreviewedSum:
    """One noised sum: how often it is sent, how long and how noisy it is, and what it costs in this silo.

    noise_std: on every coordinate, in units of one customer's contribution, whose L2 norm is at most
    clip_norm; coordinates: at most, where published numbers choose them (pairs); epsilon: of all messages of
    this mechanism, at the plan's delta
    """

    mechanism: str
    messages: int
    coordinates: int
    megabytes: float
    clip_norm: float
    noise_std: float
    sampling_rate: float
    epsilon: float


@dataclass(frozen=True)
class Preview:
    """Everything that one run would send out of one silo; made of public constants, so nothing is charged."""

    silo: str
    plan_fingerprint: str
    delta: float
    silo_epsilon: float
    person_epsilon: float
    fields: tuple[PreviewedField, ...]
    sums: tuple[PreviewedSum, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def preview(silo: SiloConfig, federation: FederationConfig, config: TrainingConfig) -> Preview:
    """The preview for one silo of a federation. Reads no customer's row: configuration and catalogue alone.

    Raises ConfigError, PlanError (the silo is not in the federation, or the target cannot be met).
    """
    catalogue = federation.read_catalogue()
    ordering = silo.training_silo().ordering
    registered = {one.name: one.registered_customers for one in federation.silo_configs()}
    plan = make_plan(
        config,
        catalogue,
        registered_customers=registered,
        max_silos_per_person=federation.max_silos_per_person,
        timestamps=True,
    )
    plan.registered(silo.name)
    known = {
        "silo": silo.name,
        "registered_customers": str(silo.registered_customers),
        "ordering": ordering.value,
        "plan": plan.fingerprint(),
    }
    fields = (
        PreviewedField(field.name, field.leaves.value, field.why, known.get(field.name))
        for field in EGRESS.values()
    )
    return Preview(
        silo.name,
        plan.fingerprint(),
        plan.delta,
        accountant.epsilon(plan.events(), plan.delta),
        plan.epsilon(),
        tuple(sorted(fields, key=lambda field: list(Leaves).index(Leaves(field.leaves)))),
        tuple(
            _sum(plan, name, length) for name, length in _lengths(catalogue, config).items() if plan.has(name)
        ),
    )


def _sum(plan: PrivacyPlan, name: str, length: int) -> PreviewedSum:
    event = plan.mechanisms()[name]
    towers = plan.dpsgd if plan.dpsgd is not None and name == TOWERS else None
    clip_norm = plan.release(name).clip_norm if towers is None else towers.clip_norm
    return PreviewedSum(
        mechanism=name,
        messages=event.steps,
        coordinates=length,
        megabytes=event.steps * length * FLOAT32 / 1e6,
        clip_norm=clip_norm,
        noise_std=clip_norm * event.noise_multiplier,
        sampling_rate=event.sampling_rate,
        epsilon=accountant.epsilon([event], plan.delta),
    )


def _lengths(catalogue: Catalogue, config: TrainingConfig) -> dict[str, int]:
    categories, bins = replenishment.histogram_shape(catalogue)
    usable = category_scope.usable_categories(catalogue, config.followups.exclude)
    paired = min(config.copurchase.top_items, len(catalogue))
    settings = config.silo_settings(ordered=True)
    rows, columns = table_shape(item_features(catalogue), tower_config(settings.towers))
    return {
        POPULARITY: len(catalogue),
        INTERVALS: categories * bins,
        RHYTHM: rhythm.LENGTH,
        SEASON: prod(season.shape(catalogue, config.season.years)),
        FOLLOWUPS: min(usable, category_scope.most_categories(config.followups.max_pairs)) ** 2
        * followups.BINS,
        DEMAND: demand_scope(catalogue, np.full(len(catalogue), 1 / len(catalogue)), config.demand, 0).length,
        COPURCHASE: min(paired * (paired - 1) // 2, config.copurchase.max_pairs),
        TOWERS: rows * columns,
        METRICS: evaluation.LENGTH,
    }
