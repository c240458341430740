"""The non-private twin: the same stages on the same data, pooled, with no clipping of gradients and no noise.

Nothing here is private. It runs on simulated worlds and research data alone, and says so in what it writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.contents import Bundle
from recsys.data.history import Ordering
from recsys.data.vocab import Catalogue
from recsys.features.sequences import Sequences
from recsys.models import copurchase, replenishment
from recsys.privacy.plan import PrivacyPlan
from recsys.seeds import rng
from recsys.silos.base import Silo
from recsys.silos.config import FederationConfig
from training.build import train_models
from training.checkpoint import open_run
from training.config import (
    COPURCHASE,
    DEMAND,
    FOLLOWUPS,
    INTERVALS,
    POPULARITY,
    RHYTHM,
    SEASON,
    TOWERS,
    SiloSettings,
    TrainingConfig,
)
from training.coordinator import data_kind
from training.exact import (
    RhythmRound,
    demand_units,
    followup_cells,
    popularity_counts,
    rhythm_examples,
    season_days,
)
from training.loading import TrainingData, load
from training.messages import Reply
from training.objective import Objective
from training.places import public_fields
from training.plan import plan_of
from training.progress import silent
from training.publish import publish_run
from training.research import STAMP, ResearchOnly, plain_gradient, research_only
from training.scopes import pair_scope, taste_profile, tower_config
from training.session import Session
from training.strategy import Rounds

NO_NOISE = 1e-9
STATEMENT = {"id": "none", "stamp": STAMP, "epsilon": None, "run_epsilon": None, "delta": None}

Sums = dict[str, NDArray[np.float32]]


def train_twin(config: TrainingConfig) -> Bundle:
    """Train the twin of a private run: same configuration, seed, steps and sampling rate.

    Raises ConfigError for data that is neither simulated nor declared to be research data.
    """
    federation = FederationConfig.load(config.federation)
    simulated = data_kind(config, federation) == "simulated"
    token = research_only(research_data=simulated or config.research_data)
    catalogue = federation.read_catalogue()
    configs = federation.silo_configs()
    silos = [silo.base_silo() for silo in configs]
    settings = config.silo_settings(ordered=all(silo.ordering is not Ordering.NONE for silo in silos))
    bound = federation.max_silos_per_person
    hidden = [config.followups_exclude for config in configs]
    data = [
        load(silo, catalogue, settings, max_silos_per_person=bound, silos=len(silos), hidden=names)
        for silo, names in zip(silos, hidden, strict=True)
    ]
    folder = open_run(config.output / "twin", {"twin": config.identity()}, resume=False)
    plan = plan_of(
        folder,
        config,
        catalogue,
        registered_customers={silo.name: silo.registered_customers for silo in configs},
        max_silos_per_person=bound,
        timestamps=any(silo.ordering is Ordering.TIMESTAMP for silo in silos),
    )
    rounds = _PooledRounds(data, silos, plan, settings, token, config.seed)
    session = Session(
        config, settings, catalogue, _without_noise(plan), folder, cast("Rounds", rounds), silent
    )
    return publish_run(session, train_models(session), STATEMENT, {})


def _without_noise(plan: PrivacyPlan) -> PrivacyPlan:
    quiet = tuple(replace(release, noise_multiplier=NO_NOISE) for release in plan.releases)
    return replace(plan, releases=quiet)


@dataclass(frozen=True)
class _PooledRounds:
    """Stands where a run's rounds stand: exact sums over all silos, mean gradients of pooled customers."""

    data: Sequence[TrainingData]
    silos: Sequence[Silo]
    plan: PrivacyPlan
    settings: SiloSettings
    token: ResearchOnly
    seed: int

    def with_ordering(self, ordering: str) -> list[str]:
        """The silos whose interactions are ordered in this way."""
        return [silo.name for silo in self.silos if silo.ordering == ordering]

    def ask_all(self, _stage: str) -> dict[str, Reply]:
        """What is public of the silos' stores and shelves: nothing else is asked of all of them."""
        catalogue = self.data[0].dataset.catalogue
        return {silo.name: Reply(public_fields(silo, catalogue)) for silo in self.silos}

    def sums(
        self, stage: str, *, number: int = 0, arrays: Mapping[str, NDArray[Any]] | None = None, **_: Any
    ) -> Sums:
        """The exact sum of a stage. Gradients are scaled so that the public divisor gives back their mean."""
        given, name = arrays or {}, stage.partition(".")[2]
        if name == TOWERS:
            mean = self._gradient(given["parameters"], given["popularity"], number)
            return {
                silo: mean * np.float32(self.plan.expected_batch(silo))
                for silo in self.plan.registered_customers
            }
        exact = [self._sum(name, data, given) for data in self.data]
        if name == DEMAND:  # a silo's forecast is made of its own sum
            return {silo.name: own.astype(np.float32) for silo, own in zip(self.silos, exact, strict=True)}
        return {"pooled": np.sum(exact, axis=0).astype(np.float32)}

    def _sum(self, name: str, data: TrainingData, given: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        histories, settings = data.dataset.histories, self.settings
        catalogue: Catalogue = data.dataset.catalogue
        if name == POPULARITY:
            return popularity_counts(data, settings, given.get("popularity"))
        if name == INTERVALS:
            return replenishment.contribution(histories, catalogue).ravel()
        if name == RHYTHM:
            told = RhythmRound(given["popularity"], given["usual"], given["parameters"])
            return rhythm_examples(data, settings, told).contribution(told.moved)
        if name == SEASON:
            return season_days(data, settings).ravel()
        if name == FOLLOWUPS:
            return followup_cells(data, settings, given["popularity"]).ravel()
        if name == DEMAND:
            return demand_units(data, settings, given["popularity"])
        if name == COPURCHASE:
            scope = pair_scope(given["popularity"], settings.copurchase)
            return copurchase.contribution(histories, scope, settings.copurchase.max_items)
        raise ValueError(f"the twin knows no stage '{name}'")

    def _gradient(
        self, parameters: NDArray[np.float32], published: NDArray[np.float64], number: int
    ) -> NDArray[np.float32]:
        random = rng(self.seed, "twin", number)
        data, settings = self.data[0], self.settings
        objective = Objective(
            data.features,
            tower_config(settings.towers),
            np.log(published).astype(np.float32),
            taste_profile(data.dataset.catalogue, published, settings.profile),
        )
        rate = self.plan.dpsgd.sampling_rate if self.plan.dpsgd else 0.0
        parts = [_sampled(data.sequences, rate, random) for data in self.data]
        pooled = Sequences(
            np.concatenate([part.ids for part in parts]), np.concatenate([part.weights for part in parts])
        )
        batch = objective.batch(pooled, np.arange(len(pooled)), random)
        return plain_gradient(objective, parameters, batch, self.token)


def _sampled(sequences: Sequences, rate: float, random: np.random.Generator) -> Sequences:
    chosen = np.flatnonzero(random.random(len(sequences)) < rate)
    return Sequences(sequences.ids[chosen], sequences.weights[chosen])
