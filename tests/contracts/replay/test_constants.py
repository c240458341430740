"""What is computed before any noise is drawn: the same without one customer, but for that customer's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from recsys.data.contracts import Table
from recsys.data.history import Histories
from recsys.silos.base import Silo
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.towers.two_tower import table_shape
from tests.contracts.replay.mechanisms import SETTINGS
from training import loading, scopes
from training.loading import TrainingData

PER_CUSTOMER = (Table.INTERACTIONS, Table.CUSTOMERS)


@dataclass(frozen=True)
class Without:
    """A silo in which one customer never was."""

    silo: Silo
    customer: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.silo, name)

    def read(self, table: Table, since: datetime | None = None) -> pa.Table:
        return self._without(table, self.silo.read(table, since))

    def scan(self) -> Iterator[pa.Table]:
        return (self._without(Table.INTERACTIONS, rows) for rows in self.silo.scan())

    def sift(self, table: Table) -> pa.Table:
        return self._without(table, self.silo.sift(table))

    def _without(self, table: Table, rows: pa.Table) -> pa.Table:
        return (
            rows.filter(pc.not_equal(rows["customer_id"], self.customer)) if table in PER_CUSTOMER else rows
        )


@dataclass(frozen=True)
class Loader:
    """Loads a silo of the small world as a training stage does, and knows its customers."""

    federation: FederationConfig
    config: SiloConfig
    until: datetime

    @property
    def silo(self) -> Silo:
        return self.config.training_silo()

    def load(self, silo: Silo) -> TrainingData:
        catalogue = self.federation.read_catalogue()
        settings = SETTINGS.model_copy(update={"until": self.until, "held_out": True})
        return loading.load(silo, catalogue, settings, max_silos_per_person=2, silos=3)

    def customers(self, consenting: bool) -> list[str]:
        rows = self.silo.read(Table.CUSTOMERS)
        used = set(self.load(self.silo).dataset.customer_ids)
        return [name for name in rows["customer_id"].to_pylist() if (name in used) == consenting]


@pytest.fixture(scope="module")
def loader(small_world: Path) -> Loader:
    federation = FederationConfig.load(small_world / "federation.toml")
    config = federation.silo_configs()[0]
    times = config.training_silo().read(Table.INTERACTIONS)["timestamp"]
    return Loader(federation, config, pc.max(times).as_py() - timedelta(days=14))


def constants(data: TrainingData) -> Iterator[Any]:
    """Everything the stages use that is no customer's row."""
    catalogue = data.dataset.catalogue
    published = np.random.default_rng(0).dirichlet(np.ones(len(catalogue)))
    yield catalogue.hash
    yield catalogue.category_codes[0].tobytes(), catalogue.category_codes[1]
    yield data.features.rows.tobytes(), data.features.table_size
    yield table_shape(data.features, scopes.tower_config(SETTINGS.towers))
    yield data.sequences.ids.shape[1], data.sequences.ids.dtype, data.sequences.weights.dtype
    yield data.dataset.histories.ordering, data.dataset.histories.utc_offset_seconds
    yield data.held_out is None
    scope = scopes.pair_scope(published, SETTINGS.copurchase)
    yield scope.items.tobytes(), scope.scale.tobytes(), scope.n_pairs
    profile = scopes.taste_profile(catalogue, published, SETTINGS.profile)
    yield profile.columns.tobytes(), profile.expected.tobytes(), profile.weight.tobytes()


def rows_of(histories: Histories) -> list[tuple[bytes, ...]]:
    """Each customer's events, as bytes."""
    columns = (histories.items, histories.times, histories.events, histories.quantities)
    spans = zip(histories.offsets[:-1], histories.offsets[1:], strict=True)
    return [tuple(column[start:stop].tobytes() for column in columns) for start, stop in spans]


@pytest.mark.evidence
def test_without_one_customer_all_else_is_bit_identical(
    loader: Loader, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    whole, names = loader.load(loader.silo), loader.customers(consenting=True)
    chosen = names[:: max(1, len(names) // counted(5, 100))]
    assert whole.held_out is not None
    assert len(whole.held_out.customers) > 20
    before, events = list(constants(whole)), rows_of(whole.dataset.histories)
    for name in chosen:
        data = loader.load(Without(loader.silo, name))
        gone = whole.dataset.customer_ids.index(name)
        assert list(constants(data)) == before
        assert data.dataset.customer_ids == tuple(np.delete(whole.dataset.customer_ids, gone).tolist())
        assert rows_of(data.dataset.histories) == events[:gone] + events[gone + 1 :]
        for part in ("train", "targets"):
            expected = rows_of(getattr(whole.held_out, part))
            assert rows_of(getattr(data.held_out, part)) == expected[:gone] + expected[gone + 1 :]
        assert np.array_equal(data.sequences.ids, np.delete(whole.sequences.ids, gone, 0))
        assert np.array_equal(data.sequences.weights, np.delete(whole.sequences.weights, gone, 0))
    evidence(
        "preprocessing without one customer",
        bar="vocabulary, pair scope, profile, feature tables and all other customers' rows bit-identical",
        measured=f"{len(chosen)} customers removed in turn, 0 differences",
    )


def test_a_customer_who_does_not_consent_leaves_no_trace_at_all(loader: Loader) -> None:
    whole, refusing = loader.load(loader.silo), loader.customers(consenting=False)
    assert refusing
    without = loader.load(Without(loader.silo, refusing[0]))
    assert list(loading.snapshot_parts(without)) == list(loading.snapshot_parts(whole))
