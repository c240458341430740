import json

import numpy as np
import pytest

from recsys.data.history import Histories
from recsys.data.split import last_basket_split
from recsys.evaluate import evaluate
from recsys.models.baselines import OwnAndPopular
from tests.recsys.histories_builder import make_histories, random_histories

SPLIT = last_basket_split(
    make_histories(
        [(1, 0), (2, 1), (3, 0), (3, 2)],  # target: 0 again, 2 new
        [(1, 3), (2, 4), (3, 5), (3, 6)],  # target: 5 and 6 new
        [(1, 0)],  # too short to be evaluated
    )
)


def fixed(first: list[int], second: list[int]):
    """Always the same lists; owned items excluded or not is all that matters."""

    def rank(h: Histories, owned_excluded: bool) -> np.ndarray:
        return np.tile(np.array(second if owned_excluded else first, np.int32), (len(h), 1))

    return rank


def test_repeat_and_new_items_are_measured_apart():
    metrics = evaluate(fixed([0, 9], [2, 5]), SPLIT, (1, 2), samples=20)
    assert metrics.overall.customers == 2
    assert metrics.overall["recall@2"] == pytest.approx((0.5 + 0.0) / 2)
    assert metrics.repeat.customers == 1
    assert metrics.repeat["recall@1"] == 1.0
    assert metrics.new.customers == 2
    assert metrics.new["recall@2"] == pytest.approx((1.0 + 0.5) / 2)
    assert metrics.new["hit@1"] == 0.5


def test_the_denominator_is_the_callers():
    metrics = evaluate(fixed([0, 5], [2, 5]), SPLIT, (1,), denominator="min", samples=20)
    assert metrics.overall["recall@1"] == pytest.approx(0.5)


def test_intervals_hold_the_mean_and_results_are_plain_numbers():
    split = last_basket_split(random_histories(300, 20, 30, seed=1))
    popularity = np.bincount(split.train.items, minlength=30).astype(float)
    metrics = evaluate(OwnAndPopular(popularity), split, samples=100)
    for segment in (metrics.overall, metrics.repeat, metrics.new):
        assert segment.customers > 100
        for mean, low, high in segment.values.values():
            assert 0 <= low <= mean <= high <= 1
    assert set(metrics.overall.values) == {f"{m}@{k}" for m in ("recall", "ndcg", "hit") for k in (10, 20)}
    assert json.loads(json.dumps(metrics.to_dict()))["new"]["customers"] == metrics.new.customers


def test_the_ranker_sees_training_histories_of_evaluated_customers_only():
    seen = []

    def rank(h: Histories, owned_excluded: bool) -> np.ndarray:
        seen.append((len(h), h.items.tolist()))
        return np.full((len(h), 1), -1, np.int32)

    evaluate(rank, SPLIT, (1,), samples=5)
    assert seen == [(2, [0, 1, 3, 4])] * 2
