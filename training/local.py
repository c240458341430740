"""What a silo does for each stage: its own data in, one noised and charged sum out. No Flower inside.

Guarantee: unit one customer, relation add or remove one. Every function below adds up contributions that are
bounded per customer by the plan's clip norm, and hands the sum to a `Reservation`, which lets noise be added
once the charge is durable in the silo's ledger. Nothing else about the data is returned. Only customers who
consented to training are read, each in at most `max_silos_per_person` silos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.areas import ELSEWHERE, area_names
from recsys.data.consent import consented_for_training
from recsys.data.dataset import Dataset
from recsys.data.history import SECONDS_PER_DAY, Ordering
from recsys.data.split import Split, temporal_split
from recsys.data.vocab import Catalogue
from recsys.errors import OrderingError, PlanError
from recsys.features.items import ItemFeatures, item_features
from recsys.features.profile import ProfileConfig, TasteProfile
from recsys.features.sequences import SequenceConfig, Sequences, encode
from recsys.models import copurchase, demand, followups, popularity, replenishment, rhythm
from recsys.models.category_scope import CategoryScope
from recsys.models.copurchase import PairScope
from recsys.models.hazard import appeal
from recsys.models.intervals import consumables
from recsys.models.rhythm import Examples, Public
from recsys.privacy.mechanisms import SecureNoise, noised_sum
from recsys.privacy.plan import PrivacyPlan
from recsys.silos.base import Silo
from recsys.silos.check import read_for_training
from recsys.towers.two_tower import TowerConfig
from training import evaluation
from training.config import (
    COPURCHASE,
    DEMAND,
    FOLLOWUPS,
    INTERVALS,
    METRICS,
    POPULARITY,
    RHYTHM,
    TOWERS,
    CopurchaseSettings,
    DemandSettings,
    FollowupSettings,
    ProfileSettings,
    SequenceSettings,
    SiloSettings,
    TowerModel,
)
from training.evaluation import Published
from training.spend import Released, Reservation

BOUNDS = {
    POPULARITY: popularity.CLIP_NORM,
    COPURCHASE: copurchase.CLIP_NORM,
    INTERVALS: replenishment.CLIP_NORM,
    RHYTHM: rhythm.CLIP_NORM,
    FOLLOWUPS: followups.CLIP_NORM,
    DEMAND: demand.CLIP_NORM,
    METRICS: evaluation.CLIP_NORM,
}
"""The L2 bound of one customer's contribution to each sum, as the models guarantee it."""


class RhythmRound(NamedTuple):
    """What silos are told of a round: published numbers, and where its gradients are taken.

    popularity: float64 [n_items]; usual: float64 [n_items], log days between purchases; moved: see
    `recsys.models.rhythm`
    """

    popularity: NDArray[np.float64]
    usual: NDArray[np.float64]
    moved: NDArray[np.float64]


@dataclass(frozen=True)
class TrainingData:
    """The consented customers' data of one silo, as the stages read it. It never leaves the process.

    held_out: what came after `until`, where the run measures its model
    hidden: categories whose follow-ups the silo keeps to itself (`followups_exclude`)
    kept: what one round of a stage leaves for the next
    areas: the silo's store areas, public
    """

    dataset: Dataset
    features: ItemFeatures
    sequences: Sequences
    held_out: Split | None = None
    hidden: tuple[str, ...] = ()
    kept: dict[str, Examples] = field(default_factory=dict, repr=False, compare=False)
    areas: tuple[str, ...] = (ELSEWHERE,)


def load(
    silo: Silo,
    catalogue: Catalogue,
    settings: SiloSettings,
    *,
    max_silos_per_person: int,
    silos: int,
    hidden: tuple[str, ...] = (),
) -> TrainingData:
    """Read, consent, bound and encode: once per process. Raises DataContractError naming the file and row."""
    tables = read_for_training(silo, catalogue)
    interactions, customers = tables.interactions, tables.customers
    areas = area_names(tables.stores)
    del tables

    def consented(interactions: pa.Table, customers: pa.Table) -> Dataset:
        rows = consented_for_training(
            interactions, customers, max_silos_per_person=max_silos_per_person, silos=silos
        )
        return Dataset.build(
            rows,
            catalogue,
            ordering=silo.ordering,
            utc_offset_seconds=silo.utc_offset_seconds,
            max_events_per_customer=settings.max_events_per_customer,
        )

    dataset, held_out = consented(before(interactions, settings.until), customers), None
    if settings.held_out and settings.until is not None and silo.ordering is Ordering.TIMESTAMP:
        every = consented(interactions, customers).histories
        held_out = temporal_split(every, int(settings.until.timestamp()))
    sequences = encode(dataset.histories, sequence_config(settings.sequences))
    del interactions, customers
    pa.default_memory_pool().release_unused()  # what was read is many times larger than what is kept
    return TrainingData(dataset, item_features(catalogue), sequences, held_out, hidden=hidden, areas=areas)


def before(interactions: pa.Table, until: datetime | None) -> pa.Table:
    """The rows before a moment; all of them without one. Raises OrderingError for data without timestamps."""
    if until is None:
        return interactions
    times = interactions["timestamp"]
    if times.null_count:
        raise OrderingError("'until' cuts by time, but these interactions have no timestamps; leave it out")
    return interactions.filter(pc.less(times, pa.scalar(until, times.type)))


def sequence_config(settings: SequenceSettings) -> SequenceConfig:
    """How histories become sequences, in training and in serving."""
    return SequenceConfig(settings.max_items, settings.decay, needs_order=settings.ordered)


def snapshot_parts(data: TrainingData) -> Iterator[bytes]:
    """The data that the stages read, for the keyed digest in the ledger."""
    yield "\n".join(data.dataset.customer_ids).encode()
    read = [data.dataset.histories] + ([data.held_out.targets] if data.held_out else [])
    for histories in read:
        for name in ("offsets", "items", "times", "events", "quantities"):
            yield getattr(histories, name).tobytes()
        if histories.areas is not None:
            yield histories.areas.tobytes()


def tower_config(settings: TowerModel) -> TowerConfig:
    """The towers' public constants, the same everywhere."""
    return TowerConfig(**settings.model_dump())


def taste_profile(
    catalogue: Catalogue, published: NDArray[np.float64], settings: ProfileSettings
) -> TasteProfile:
    """Tastes by public features: the same everywhere, made of the catalogue and published popularity."""
    return TasteProfile.of(catalogue, published, ProfileConfig(**settings.model_dump()))


def popularity_sum(
    data: TrainingData, plan: PrivacyPlan, settings: SiloSettings, reservation: Reservation
) -> Released:
    """Sum over customers of their unit-norm item indicators, noised; float32 [n_items]."""
    _need(reservation, plan)
    raw = popularity.contribution(
        data.dataset.histories, len(data.dataset.catalogue), **settings.popularity.model_dump()
    )
    return _release(POPULARITY, raw, data, plan, reservation)


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


def rhythm_examples(data: TrainingData, settings: SiloSettings, told: RhythmRound) -> Examples:
    """What the silo's customers learn from; kept for the next round. Raises PlanError as `rhythm_sum`."""
    catalogue, histories = data.dataset.catalogue, data.dataset.histories
    end = _end(settings, histories.utc_offset_seconds)
    public = Public(told.usual, appeal(told.popularity), consumables(catalogue), end)
    if public.key not in data.kept:
        data.kept.clear()
        data.kept[public.key] = Examples(histories, public)
    return data.kept[public.key]


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


def followup_cells(
    data: TrainingData, settings: SiloSettings, published: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The raw sum of `followup_sum`; float64 [m, m, bins]."""
    catalogue, histories, end = data.dataset.catalogue, data.dataset.histories, None
    if settings.known_until is not None:
        end = (int(settings.known_until.timestamp()) + histories.utc_offset_seconds) // SECONDS_PER_DAY
    scope = category_scope(catalogue, published, settings.followups).without(data.hidden)
    return followups.contribution(histories, scope, end=end, full_cells=settings.followups.full_cells)


def category_scope(
    catalogue: Catalogue, published: NDArray[np.float64], settings: FollowupSettings
) -> CategoryScope:
    """Which categories follow-ups are looked for among: the same everywhere, of published numbers alone."""
    return CategoryScope.of(catalogue, published, settings.max_pairs, settings.exclude)


def demand_sum(
    data: TrainingData,
    plan: PrivacyPlan,
    settings: SiloSettings,
    published: NDArray[np.float64],
    reservation: Reservation,
) -> Released:
    """Sum over customers of the units that they bought, bounded, noised; float32 [length].

    published: as in `copurchase_sum`; it says how much an item's units weigh. Raises PlanError where nobody
    said up to when the data are complete, or where the silo has more store areas than there are places for.
    """
    _need(reservation, plan)
    if len(data.areas) - 1 > settings.demand.max_areas:
        raise PlanError(f"{len(data.areas) - 1} store areas, places for {settings.demand.max_areas}")
    return _release(DEMAND, demand_units(data, settings, published), data, plan, reservation)


def demand_units(
    data: TrainingData, settings: SiloSettings, published: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The raw sum of `demand_sum`; float64 [length]."""
    end = _end(settings, data.dataset.histories.utc_offset_seconds)
    scope = demand_scope(data.dataset.catalogue, published, settings.demand, end)
    return demand.contribution(data.dataset.histories, scope)


def _end(settings: SiloSettings, utc_offset_seconds: int) -> int:
    """The day up to which the data are complete. Raises PlanError where nobody said so."""
    if settings.known_until is None:
        raise PlanError("nobody said up to when the data are complete; set 'until' or 'rhythm.as_of'")
    return (int(settings.known_until.timestamp()) + utc_offset_seconds) // SECONDS_PER_DAY


def demand_scope(
    catalogue: Catalogue, published: NDArray[np.float64], settings: DemandSettings, end: int
) -> demand.Scope:
    """What the vector of units stands for: the same everywhere, of public and published numbers alone."""
    return demand.Scope.of(catalogue, published, demand.Bounds(**settings.model_dump()), end)


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
    if data.held_out is None:
        raise PlanError("nothing was held out to measure by; set 'until' and use data with timestamps")
    rows = evaluation.contribution(data.held_out, published)
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


def pair_scope(published: NDArray[np.float64], settings: CopurchaseSettings) -> PairScope:
    """Which pairs are counted: the same everywhere, made of published numbers alone."""
    return PairScope.from_popularity(published, settings.top_items, settings.full_rank, settings.max_pairs)


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
