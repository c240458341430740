"""Every mechanism of a plan, run through a real reservation under frozen randomness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.models.hazard import DIMENSIONS
from recsys.privacy.ledger import Ledger, planned_charge
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.releases import TOWERS, DpSgdPlan, ReleasePlan
from recsys.towers.two_tower import initial_parameters
from tests.contracts.replay.frozen import FrozenGenerator, FrozenNoise
from tests.contracts.replay.worlds import CATALOGUE, N_ITEMS, Customer, training_data
from training import exact, local, scopes, spend
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
from training.config_file import load_config
from training.evaluation import Published
from training.sections import HeadSettings
from training.spend import Released, Reservation

SILO = "north"
CONFIG = load_config(
    None,
    [
        "popularity.max_items=10",
        "copurchase.top_items=25",
        "copurchase.full_rank=5",
        "copurchase.max_items=12",
        "towers.embedding_dim=4",
        "towers.init_scale=0.5",
        "towers.negatives=20",
        "towers.clip_norm=0.3",
        "rhythm.as_of=1971-02-01T00:00:00Z",  # a year after the first customers come,
    ],
)
SETTINGS = CONFIG.silo_settings(ordered=True)
PUBLISHED = np.random.default_rng(3).dirichlet(np.ones(N_ITEMS))
PARAMETERS = initial_parameters(training_data([]).features, scopes.tower_config(SETTINGS.towers), seed=1)
# Items 0 to 9 share a vector, so that their order hangs on popularity alone.
VECTORS = np.random.default_rng(4).normal(size=(N_ITEMS, 8)).astype(np.float32)
VECTORS[:10] = VECTORS[0]
MEASURED = Published(
    PUBLISHED,
    VECTORS,
    VECTORS[::-1].copy(),
    scopes.taste_profile(CATALOGUE, PUBLISHED, SETTINGS.profile),
    scopes.sequence_config(SETTINGS.sequences),
)
USUAL = np.random.default_rng(5).normal(3.0, 0.5, N_ITEMS)
MOVED = np.random.default_rng(6).normal(0.0, 0.2, DIMENSIONS)
PLAN = PrivacyPlan(
    target_epsilon=50.0,
    delta=1e-6,
    max_silos_per_person=1,
    registered_customers={SILO: 100},
    releases=tuple(ReleasePlan(name, bound, 8.0) for name, bound in local.BOUNDS.items()),
    dpsgd=DpSgdPlan(clip_norm=0.3, noise_multiplier=2.0, sampling_rate=0.6, steps=60),
)

Run = Callable[[Any, PrivacyPlan, SiloSettings, Reservation], Released]

MECHANISMS: dict[str, Run] = {
    POPULARITY: local.popularity_sum,
    COPURCHASE: lambda data, plan, settings, reservation: local.copurchase_sum(
        data, plan, settings, PUBLISHED, reservation
    ),
    INTERVALS: lambda data, plan, _, reservation: local.interval_sum(data, plan, reservation),
    RHYTHM: lambda data, plan, settings, reservation: local.rhythm_sum(
        data, plan, settings, exact.RhythmRound(PUBLISHED, USUAL, MOVED), reservation
    ),
    SEASON: local.season_sum,
    FOLLOWUPS: lambda data, plan, settings, reservation: local.followup_sum(
        data, plan, settings, PUBLISHED, reservation
    ),
    DEMAND: lambda data, plan, settings, reservation: local.demand_sum(
        data, plan, settings, PUBLISHED, reservation
    ),
    METRICS: lambda data, plan, _, reservation: local.metrics_sum(data, plan, MEASURED, reservation),
    TOWERS: lambda data, plan, settings, reservation: local.tower_gradient(
        data, plan, settings, PUBLISHED, PARAMETERS, reservation
    ),
}
"""A mechanism that joins the plan joins here, with what it takes to run it in one silo."""


HEAD = HeadSettings(items=N_ITEMS // 3, decay=0.9, first_purchase=2.0, basket_power=0.5, half_life=60)


def head_sum(data: Any, plan: PrivacyPlan, settings: SiloSettings, reservation: Reservation) -> Released:
    """The second sum of popularity, over a third of the items, weighed in every way there is."""
    told = settings.popularity.model_copy(update={"head": HEAD})
    settings = settings.model_copy(update={"popularity": told})
    return local.popularity_sum(data, plan, settings, reservation, PUBLISHED)


@dataclass(frozen=True)
class Outcome:
    """What one world released, and everything public that happened on the way."""

    values: np.ndarray
    requests: list[tuple[Any, ...]]
    charged: list[dict[str, Any]] = field(repr=False)

    @property
    def flow(self) -> tuple[Any, ...]:
        """What has to be the same in neighbouring worlds."""
        return self.requests, self.charged, self.values.shape, self.values.dtype


def bound_and_noise(name: str) -> tuple[float, float]:
    """The plan's clip norm and standard deviation of the noise."""
    release = PLAN.dpsgd if name == TOWERS else PLAN.release(name)
    assert release is not None
    return release.clip_norm, release.noise_std


class Stage:
    """Runs one mechanism on data sets, each with a reservation of its own in a scratch ledger."""

    def __init__(
        self, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, mechanism: Run | None = None
    ) -> None:
        """mechanism: another one than the product's, under the same name."""
        self.name, self._mechanism = name, mechanism or MECHANISMS[name]
        self._folder, self._patch, self._runs = folder, monkeypatch, 0

    def run(self, customers: list[Customer], coins: np.ndarray, keys: np.ndarray, seed: int) -> Outcome:
        """One release of these customers with their own coins and keys."""
        noise = FrozenNoise(coins)
        generator, real = FrozenGenerator(seed, keys, noise), np.random.default_rng
        self._patch.setattr(spend, "SecureNoise", lambda: noise)
        self._patch.setattr(np.random, "default_rng", lambda *seeds: real(*seeds) if seeds else generator)
        try:
            ledger = self._ledger()
            with spend.spending(ledger, self._charge()) as reservation:
                released = self._mechanism(training_data(customers), PLAN, SETTINGS, reservation)
            return Outcome(released.values, noise.requests, _charged(ledger, reservation.row))
        finally:
            self._patch.undo()

    def _ledger(self) -> Ledger:
        """A new ledger now and then: each reservation composes all that a ledger holds."""
        ledger = Ledger(self._folder / f"{self._runs // 60}.db")
        if self._runs % 60 == 0:
            ledger.set_cap(1e6, PLAN.delta)
        self._runs += 1
        return ledger

    def _charge(self) -> Any:
        return planned_charge(
            PLAN,
            self.name,
            silo=SILO,
            run_id="replay",
            purpose="tests",
            requester="tests",
            snapshot_hmac="0" * 64,
            steps=1,
        )


def _charged(ledger: Ledger, row: int) -> list[dict[str, Any]]:
    """The ledger's rows of a reservation, without what a clock and the chain make different each time."""
    rows = [found for found in ledger.rows() if row in (found.id, found.reservation)]
    public = ("kind", "event", "delta", "clip_norm", "divisor", "details")
    return [{name: getattr(found, name) for name in public} for found in rows]
