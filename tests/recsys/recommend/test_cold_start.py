"""New customers and unknown items are answered, never an error: from the tables to the page."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from recsys.data.conform import conform
from recsys.data.consent import consented_for_personalisation
from recsys.data.contracts import Table
from recsys.data.dataset import Dataset
from recsys.data.history import Histories, Ordering
from recsys.recommend.pipeline import Recommender
from recsys.recommend.types import Degraded, Query
from tests.recsys.bundle_builder import build_bundle

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(build_bundle())


def history_of(recommender: Recommender, *bought: str) -> Histories:
    """What serving makes of one customer's rows."""
    rows = {"customer_id": ["c"], "consent_training": [False], "consent_personalisation": [True]}
    customers = conform(Table.CUSTOMERS, pa.table(rows), source="customers", timezone="UTC", now=NOW)
    events = pa.table(
        {
            "customer_id": pa.array(["c"] * len(bought), pa.string()),
            "item_id": pa.array(bought, pa.string()),
            "timestamp": pa.array(
                [datetime(2026, 1, 1, tzinfo=UTC)] * len(bought), pa.timestamp("us", "UTC")
            ),
        }
    )
    interactions = conform(Table.INTERACTIONS, events, source="interactions", timezone="UTC", now=NOW)
    return Dataset.build(
        consented_for_personalisation(interactions, customers),
        recommender.bundle.catalogue,
        ordering=Ordering.TIMESTAMP,
        max_events_per_customer=None,
        drop_unknown_items=True,
    ).histories


@pytest.mark.parametrize("bought", [(), ("not-in-the-bundle",), ("not-in-the-bundle", "nor-this")])
def test_without_a_known_event_the_answer_is_popularity(recommender: Recommender, bought) -> None:
    history = history_of(recommender, *bought)
    answer = recommender.recommend(Query(history, 5))
    np.testing.assert_array_equal(answer.item_indices, np.arange(5))  # the builder's items are by popularity
    assert answer.degraded == (Degraded.NO_HISTORY,)
    np.testing.assert_array_equal(recommender.rank(history, 5)[0], np.arange(5))


def test_unknown_items_beside_a_known_one_change_nothing(recommender: Recommender) -> None:
    beside = history_of(recommender, "not-in-the-bundle", "item-007")
    alone = history_of(recommender, "item-007")
    assert recommender.recommend(Query(beside, 5)) == recommender.recommend(Query(alone, 5))


def test_a_silo_without_customers_is_ranked_for_without_error(recommender: Recommender) -> None:
    nobody = history_of(recommender).select(np.zeros(0, np.int64))
    assert recommender.rank(nobody, 5).shape == (0, 5)
    assert recommender.scores(nobody).shape == (0, recommender.n_items)
