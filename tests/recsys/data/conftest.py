"""Small tables that meet the contract, shared by the tests of the data layer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from recsys.data.conform import conform
from recsys.data.contracts import Table
from recsys.data.vocab import Catalogue

NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAY = 86_400

MakeTable = Callable[..., pa.Table]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def make() -> MakeTable:
    """make(Table.ITEMS, item_id=[...], ...): a checked table from plain columns."""

    def build(table: Table, **columns: Any) -> pa.Table:
        return conform(table, pa.table(columns), source=f"{table}.test", now=NOW)

    return build


@pytest.fixture
def customers(make: MakeTable) -> Callable[..., pa.Table]:
    """customers('a', 'b', rank=[1, 2], training=[...]): everybody consents unless said otherwise."""

    def build(*ids: str, training: Any = None, personalisation: Any = None, rank: Any = None) -> pa.Table:
        yes = [True] * len(ids)
        return make(
            Table.CUSTOMERS,
            customer_id=pa.array(ids, pa.string()),
            consent_training=pa.array(yes if training is None else training, pa.bool_()),
            consent_personalisation=pa.array(yes if personalisation is None else personalisation, pa.bool_()),
            person_rank=pa.array([None] * len(ids) if rank is None else rank, pa.int64()),
        )

    return build


@pytest.fixture
def purchases(make: MakeTable) -> Callable[..., pa.Table]:
    """purchases(('customer', 'item', day), ...): interactions by timestamp."""

    def build(*rows: tuple[str, str, float]) -> pa.Table:
        return make(
            Table.INTERACTIONS,
            customer_id=pa.array([row[0] for row in rows], pa.string()),
            item_id=pa.array([row[1] for row in rows], pa.string()),
            timestamp=pa.array([int(row[2] * DAY) for row in rows], pa.int64()),
        )

    return build


@pytest.fixture
def catalogue(make: MakeTable) -> Catalogue:
    return Catalogue.from_table(
        make(
            Table.ITEMS,
            item_id=["milk", "apple", "bread"],
            title=["Milk", "Apple", None],
            brand=["B", None, "A"],
            category=["dairy", "fruit", "bakery"],
            pack_size=[1.0, None, 0.5],
            price=[1.2, 0.3, None],
            consumable=[True, None, False],
        )
    )
