"""What a silo does for each stage: its own data in, one noised and charged sum out. No Flower inside.

Guarantee: unit one customer, relation add or remove one. Every function below adds up contributions that are
bounded per customer by the plan's clip norm, and hands the sum to a `Reservation`, which lets noise be added
once the charge is durable in the silo's ledger. Nothing else about the data is returned. Only customers who
consented to training are read, each in at most `max_silos_per_person` silos.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.errors import PlanError
from recsys.models import copurchase, demand, followups, popularity, replenishment, rhythm, season
from recsys.privacy.mechanisms import SecureNoise, noised_sum
from recsys.privacy.plan import PrivacyPlan
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
    SiloSettings,
)
from training.evaluation import Published
from training.exact import (
    RhythmRound,
    demand_units,
    followup_cells,
    held_out,
    popularity_counts,
    rhythm_examples,
    season_days,
)
from training.loading import TrainingData
from training.scopes import pair_scope, taste_profile, tower_config
from training.spend import Released, Reservation

BOUNDS = {
    POPULARITY: popularity.CLIP_NORM,
    COPURCHASE: copurchase.CLIP_NORM,
    INTERVALS: replenishment.CLIP_NORM,
    RHYTHM: rhythm.CLIP_NORM,
    SEASON: season.CLIP_NORM,
    FOLLOWUPS: followups.CLIP_NORM,
    DEMAND: demand.CLIP_NORM,
    METRICS: evaluation.CLIP_NORM,
}
"""The L2 bound of one customer's contribution to each sum, as the models guarantee it."""


def popularity_sum(
    data: TrainingData,
    plan: PrivacyPlan,
    settings: SiloSettings,
    reservation: Reservation,
    published: NDArray[np.float64] | None = None,
) -> Released:
    """Sum over customers of their unit-norm item indicators, noised; float32 [n_items].

    published: None for all items; else what the coordinator made of that sum, as in `copurchase_sum`: only
    the head is counted.
    """
    _need(reservation, plan)
    return _release(POPULARITY, popularity_counts(data, settings, published), data, plan, reservation)


def interval_sum(data: TrainingData, plan: PrivacyPlan, reservation: Reservation) -> Released:
    """Sum over customers of their unit-norm purchase gap histograms, noised; float32 [cells]."""
    _need(reservation, plan)
    raw = replenishment.contribution(data.dataset.histories, data.dataset.catalogue)
    return _release(INTERVALS, raw.ravel(), data, plan, reservation)


def rhythm_sum(
    data: TrainingData,
    plan: PrivacyPlan,
    settings: SiloSettings,
    told: RhythmRound,
    reservation: Reservation,
) -> Released:
    """Sum over customers of their bounded gradients of what was bought again, noised; float32 [LENGTH].

    Raises PlanError where nobody said up to when the data are complete.
    """
    _need(reservation, plan)
    raw = rhythm_examples(data, settings, told).contribution(told.moved)
    return _release(RHYTHM, raw, data, plan, reservation)


def season_sum(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, reservation: Reservation
) -> Released:
    """Sum over customers of their bounded days of purchase by category and month, noised; float32 [cells].

    Raises PlanError where nobody said up to when the data are complete.
    """
    _need(reservation, plan)
    return _release(SEASON, season_days(data, settings).ravel(), data, plan, reservation)


def followup_sum(
    data: TrainingData,
    plan: PrivacyPlan,
    settings: SiloSettings,
    published: NDArray[np.float64],
    reservation: Reservation,
) -> Released:
    """Sum over customers of what categories they took up after others, noised; float32 [cells].

    published: as in `copurchase_sum`; it says which categories are looked at.
    """
    _need(reservation, plan)
    raw = followup_cells(data, settings, published)
    return _release(FOLLOWUPS, raw.ravel(), data, plan, reservation)


def demand_sum(
    data: TrainingData,
    plan: PrivacyPlan,
    settings: SiloSettings,
    published: NDArray[np.float64],
    reservation: Reservation,
) -> Released:
    """Sum over customers of the units that they bought, bounded, noised; float32 [length].

    published: as in `copurchase_sum`; it says how much an item's units weigh. Raises PlanError where nobody
    said up to when the data are complete.
    """
    _need(reservation, plan)
    return _release(DEMAND, demand_units(data, settings, published), data, plan, reservation)


def copurchase_sum(
    data: TrainingData,
    plan: PrivacyPlan,
    settings: SiloSettings,
    published: NDArray[np.float64],
    reservation: Reservation,
) -> Released:
    """Sum over customers of their bounded pair indicators among the popular items, noised; float32 [pairs].

    published: the noised popularity that the coordinator made of all silos' sums, float64 [n_items].
    """
    _need(reservation, plan)
    scope = pair_scope(published, settings.copurchase)
    raw = copurchase.contribution(data.dataset.histories, scope, settings.copurchase.max_items)
    return _release(COPURCHASE, raw, data, plan, reservation)


def metrics_sum(
    data: TrainingData,
    plan: PrivacyPlan,
    published: Published,
    reservation: Reservation,
) -> Released:
    """Sum over customers of how well the model found their held-out basket, noised; float32 [LENGTH].

    Raises PlanError where nothing was held out.
    """
    _need(reservation, plan)
    rows = evaluation.contribution(held_out(data), published)
    return _release(METRICS, rows.sum(axis=0), data, plan, reservation)


def tower_gradient(
    data: TrainingData,
    plan: PrivacyPlan,
    settings: SiloSettings,
    published: NDArray[np.float64],
    parameters: NDArray[np.float32],
    reservation: Reservation,
) -> Released:
    """Noised sum of a Poisson sample's clipped gradients at the server's parameters; float32 [parameters].

    Raises PlanError if what ran is not what the ledger was charged for: then nothing leaves.
    """
    _need(reservation, plan)
    from training.engine import Engine
    from training.objective import Objective

    dpsgd = plan.dpsgd
    if dpsgd is None:
        raise PlanError("the plan has no towers; give 'towers' a share above 0")
    log_popularity = np.log(published).astype(np.float32)
    profile = taste_profile(data.dataset.catalogue, published, settings.profile)
    engine = Engine(Objective(data.features, tower_config(settings.towers), log_popularity, profile))

    def draw(noise: SecureNoise) -> NDArray[np.float32]:
        return engine.noised_gradient(parameters, data.sequences, dpsgd, noise).values

    return reservation.release(TOWERS, draw)


def _release(
    name: str, raw: NDArray[np.float64], data: TrainingData, plan: PrivacyPlan, reservation: Reservation
) -> Released:
    release, customers = plan.release(name), len(data.dataset.customer_ids)
    if release.clip_norm < BOUNDS[name]:
        raise PlanError(
            f"{name}: the plan noises for contributions of norm {release.clip_norm:g}, but they reach "
            f"{BOUNDS[name]:g}; it stays in the silo"
        )

    def draw(noise: SecureNoise) -> NDArray[np.float32]:
        return noised_sum(raw, release, noise, customers)

    return reservation.release(name, draw)


def _need(reservation: Reservation, plan: PrivacyPlan) -> None:
    # Checked at run time too: a type checker is no wall between raw sums and the outside.
    if not isinstance(reservation, Reservation):
        raise PlanError("nothing is computed for release without a reservation in the silo's ledger")
    if reservation.plan_fingerprint != plan.fingerprint():
        raise PlanError("the reservation was charged under another plan; it stays in the silo")
