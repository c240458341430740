"""A small simulated federation on which the checks run the silos' real code, again and again."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recsys.data.contracts import Table
from recsys.data.vocab import Catalogue
from recsys.features.items import ItemFeatures, item_features
from recsys.models.hazard import DIMENSIONS
from recsys.models.intervals import usual_gaps
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import DEFAULT_SILOS, WorldConfig
from recsys.silos.simulator.files import write_world
from recsys.towers.two_tower import initial_parameters, item_vectors
from training.audit.checks.edits import busiest
from training.audit.checks.places import OnceRead, folder
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
from training.messages import Request
from training.scopes import tower_config

WORLD = WorldConfig(persons=300, n_items=240, weeks=6, silos=DEFAULT_SILOS[:3])
# The last of the six weeks is held out, for the metrics to be measured on.
SETTINGS = (
    "copurchase.top_items=60",
    "season.years=2",
    "towers.embedding_dim=4",
    "until=2026-06-22T00:00:00Z",
    "privacy.shares.towers=0.4",
    "privacy.shares.metrics=0.1",
)
SUMS = (POPULARITY, COPURCHASE, INTERVALS, RHYTHM, SEASON, FOLLOWUPS, DEMAND, METRICS)

ONE_ROUND: Mapping[str, int] = MappingProxyType({})

# Checks release the same data hundreds of times, on purpose: only then can noise be measured.
CAP = 1e6
AWAY = 0.5  # how far a round's gradients of rhythms are taken from those of the round before it

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Bench:
    """A world in a temporary folder, and what its coordinator would send."""

    root: Path

    @cached_property
    def federation(self) -> OnceRead:
        """The world's silos."""
        return OnceRead.model_validate(FederationConfig.load(self.root / "federation.toml").model_dump())

    @cached_property
    def catalogue(self) -> Catalogue:
        """The public catalogue."""
        return self.federation.read_catalogue()

    @cached_property
    def features(self) -> ItemFeatures:
        """Which rows of the towers' table belong to which item."""
        return item_features(self.catalogue)

    @cached_property
    def settings(self) -> SiloSettings:
        """What silos are told besides the plan."""
        return load_config(None, SETTINGS).silo_settings(ordered=True)

    @cached_property
    def published(self) -> NDArray[np.float64]:
        """A popularity as the coordinator would publish it: a few items are bought by many (Zipf's law)."""
        weights = 1.0 / np.arange(1, len(self.catalogue) + 1)
        return np.asarray(weights / weights.sum())

    @cached_property
    def usual(self) -> NDArray[np.float64]:
        """Logarithms of usual gaps between purchases, as without any that were published."""
        return usual_gaps({}, self.catalogue)

    @cached_property
    def parameters(self) -> Values:
        """The towers' table before training."""
        return initial_parameters(self.features, tower_config(self.settings.towers), 0)

    @cached_property
    def vectors(self) -> Values:
        """Item vectors as a trained model would have them, for the metrics."""
        log_popularity = np.log(self.published).astype(np.float32)
        config = tower_config(self.settings.towers)
        return item_vectors(self.features, config, self.parameters, log_popularity)

    @cached_property
    def neighbour(self) -> Bench:
        """The same world without one customer: the busiest consenting one of the first silo."""
        copy, first = self.copy(), self.federation.silo_configs()[0]
        folder = copy.root / "silos" / first.name
        gone = busiest(first.base_silo())
        for table in (Table.CUSTOMERS, Table.INTERACTIONS):
            rows = pq.read_table(folder / f"{table}.parquet")
            pq.write_table(rows.filter(pc.not_equal(rows["customer_id"], gone)), folder / f"{table}.parquet")
        return copy

    def copy(self) -> Bench:
        """The same world in a new folder, with ledgers of its own."""
        return Bench(Path(shutil.copytree(self.root, self.scratch() / "world")))

    def uncapped(self) -> Bench:
        """A copy whose silos allow what checks release, as `Subject` does."""
        return self._declaring("epsilon_cap", CAP)

    def registering(self, customers: int) -> Bench:
        """A copy whose silos have all registered so many customers."""
        return self._declaring("registered_customers", customers)

    def _declaring(self, field: str, value: float) -> Bench:
        copy = self.copy()
        for path in copy.federation.silos:
            text = path.read_text(encoding="utf-8")
            path.write_text(re.sub(rf"(?m)^{field} = .*$", f"{field} = {value}", text), encoding="utf-8")
        return copy

    def scratch(self) -> Path:
        """A new folder that goes with the bench."""
        return Path(tempfile.mkdtemp(dir=folder().name))

    def plan(
        self,
        towers: DpSgdPlan,
        *,
        noise_multiplier: float = 17.9,
        target: float = 100.0,
        rounds: Mapping[str, int] = ONE_ROUND,
    ) -> PrivacyPlan:
        """A plan with every mechanism. rounds: of the sums that are released more than once"""
        registered = {silo.name: silo.registered_customers for silo in self.federation.silo_configs()}
        releases = tuple(ReleasePlan(name, 1.0, noise_multiplier, rounds.get(name, 1)) for name in SUMS)
        silos = self.federation.max_silos_per_person
        return PrivacyPlan(target, 1e-6, silos, registered, releases, towers)

    def request(
        self,
        stage: str,
        plan: PrivacyPlan,
        *,
        number: int = 0,
        end: int = 1,
        attempt: int = 1,
        run_id: str = "audit",
    ) -> Request:
        """What the coordinator asks of a silo in one round of a stage."""
        fields: dict[str, str | int] = {
            "stage": f"train.{stage}",
            "run_id": run_id,
            "attempt": attempt,
            "round": number,
            "block_end": end,
            "catalogue": self.catalogue.hash,
            "requester": "audit",
            "approver": "",
            "plan": plan.to_json(),
            "fingerprint": plan.fingerprint(),
            "settings": self.settings.model_dump_json(),
        }
        at = np.full(DIMENSIONS, AWAY * number) if stage == RHYTHM else self.parameters
        arrays: dict[str, NDArray[Any]] = {
            "popularity": self.published,
            "parameters": at,
            "usual": self.usual,
        }
        return Request(fields, arrays | {"vectors": self.vectors, "history_table": self.vectors})


@lru_cache(maxsize=1)
def bench() -> Bench:
    """The process's bench: made once, gone with the process."""
    root = Path(folder().name) / "world"
    write_world(WORLD, root)
    return Bench(root)
