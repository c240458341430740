"""Differences are paired by customer, and taken to the method that is best in each metric."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.quality.differences import customer_values, differences
from experiments.quality.protocols import Protocol, split
from experiments.quality.tables import read_purchases
from recsys.evaluate import measure
from recsys.models.baselines.popularity import GlobalTop, item_counts
from recsys.models.baselines.scoring import rank_all


def noisy(base: np.ndarray, gain: float, seed: int) -> dict[str, np.ndarray]:
    return {"recall": base + gain + np.random.default_rng(seed).normal(0.0, 0.01, len(base))}


def test_what_customers_have_in_common_cancels() -> None:
    base = np.random.default_rng(0).random(400)
    (found,) = differences(
        [noisy(base, 0.01, 1), noisy(base, 0.02, 2)],
        {"weak": [noisy(base, -0.2, 3)] * 2, "strong": [noisy(base, 0.0, 4)] * 2},
    )
    assert found.best == "strong"
    assert found.interval.mean == pytest.approx(0.015, abs=0.002)
    assert 0.012 < found.interval.low < found.interval.mean < found.interval.high < 0.018
    assert str(found).startswith("recall +0.01")


def test_customers_without_such_targets_are_left_out() -> None:
    mine, theirs = np.array([0.5, np.nan, 0.7]), np.array([0.2, np.nan, 0.6])
    (found,) = differences([{"new": mine}], {"other": [{"new": theirs}]})
    assert found.interval.mean == pytest.approx(0.2)
    assert differences([{"new": mine}], {}) == []
    assert differences([{"new": mine}], {"none": [{"new": np.full(3, np.nan)}]}) == []


@pytest.mark.parametrize(
    ("protocol", "names"),
    [
        (Protocol.NEXT_BASKET, ["recall_at_10", "ndcg_at_10", "new_recall_at_10", "new_ndcg_at_10"]),
        (Protocol.STRONG_GENERALISATION, ["recall_at_20", "ndcg_at_100"]),
    ],
)
def test_their_mean_is_the_figure_of_the_table(tmp_path: Path, protocol: Protocol, names: list[str]) -> None:
    random = np.random.default_rng(0)
    columns = {
        "customer_id": random.integers(0, 60, 2_000),
        "item_id": (random.random(2_000) ** 2 * 150).astype(int),
        "order_no": random.integers(0, 6, 2_000),
    }
    pq.write_table(pa.table(columns), tmp_path / "baskets.parquet")
    trial = split(read_purchases(tmp_path), protocol)
    popularity = item_counts(trial.learned, trial.n_items)
    lists = rank_all(GlobalTop.fit(trial.learned, trial.n_items), trial.shown, popularity, 100)
    found = customer_values(lists, trial)
    metrics = measure(lists.overall, lists.fresh, trial.split, (10, 20, 100), denominator=trial.denominator)
    assert list(found) == names
    for name, values in found.items():
        segment = metrics.new if name.startswith("new_") else metrics.overall
        metric = name.removeprefix("new_").replace("_at_", "@")
        assert np.nanmean(values) == pytest.approx(segment[metric])
