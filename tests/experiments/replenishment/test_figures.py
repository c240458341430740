"""Dates and lists measured on examples that were worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.quality.tables import read_purchases
from experiments.replenishment.dates import date_figures
from experiments.replenishment.due_list import DueLists
from experiments.replenishment.figures import method_figures
from experiments.replenishment.forecast import Forecast
from experiments.replenishment.methods import Answer
from experiments.replenishment.outcomes import Outcomes
from experiments.replenishment.protocol import cut
from tests.experiments.replenishment.data import write_shop

NAN = float("nan")


def test_dates_by_hand() -> None:
    expected = np.array([4.6, 20.0, NAN, 50.0, 0.0])
    forecast = Forecast(np.full((5, 4), 0.5), expected, expected - 4.0, expected + 10.0)
    outcomes = Outcomes.of(np.arange(5), np.array([2.0, np.inf, 3.0, 31.0, 0.0]), 40)
    found = {name: value for name, (value, _) in date_figures(forecast, outcomes, outcomes.draws()).items()}
    assert found["mae_days"] == pytest.approx((2 + 37 + 9 + 0) / 4)
    # Beyond the data counts as its end: 2, 20, 37 (no date named), 9, 0.
    assert found["mae_restricted_days"] == pytest.approx((2 + 20 + 37 + 9 + 0) / 5)
    # Intervals that end within 40 days: [.6, 14.6] holds day 2, [16, 30] saw nothing, [0, 10] holds day 0.
    assert found["coverage_80"] == pytest.approx(2 / 3)
    assert found["coverage_pairs"] == pytest.approx(3 / 5)
    assert found["answered"] == pytest.approx(4 / 5)
    assert found["seen"] == pytest.approx(4 / 5)


def test_intervals_of_memoryless_purchases_cover_what_they_say() -> None:
    random = np.random.default_rng(0)
    n, rate = 40_000, 0.2
    ends = -np.log1p(-np.array([0.5, 0.1, 0.9])) / rate
    forecast = Forecast(np.full((n, 4), 0.5), *(np.full(n, end) for end in ends))
    outcomes = Outcomes.of(np.arange(n) // 8, np.floor(random.exponential(1 / rate, n)), 60)
    value, (low, high) = date_figures(forecast, outcomes, outcomes.draws())["coverage_80"]
    assert value == pytest.approx(0.8, abs=0.01)
    assert low < value < high


def test_intervals_by_customer_hold_the_figure(tmp_path: Path) -> None:
    data = cut(read_purchases(write_shop(tmp_path)))
    judged = data.judged
    outcomes = Outcomes.of(data.pairs.customers[judged], data.next[judged], data.ahead)
    chances = np.random.default_rng(0).random((int(judged.sum()), 4))
    dates = np.full(len(chances), 10.0)
    found = method_figures(
        Forecast(chances, dates, dates, dates), outcomes, {}, private=False, seconds=0.0, chosen={}
    )
    for name in ("log_loss_14", "auc_30", "brier_3", "mae_days"):
        low, high = found.intervals[name]
        assert low < found.values[name] < high
    assert found.to_dict()["reliability"]["14"]["pairs"] == found.reliability[14].rows.tolist()


def test_the_due_list_of_frequencies_is_the_frequent_list(tmp_path: Path) -> None:
    data = cut(read_purchases(write_shop(tmp_path)))
    lists = DueLists(data)
    chances = np.repeat((data.pairs.purchases / 1_000.0)[:, None], 4, axis=1)
    forecast = Forecast(chances, *(np.zeros(len(chances)) for _ in range(3)))
    found = lists.figures(Answer(forecast))
    assert 0.0 < found["due_recall_at_10"][0] <= 1.0
    assert found["due_ratio"][0] == pytest.approx(1.0)
    bought = replace(forecast, chances=np.repeat((data.next == 0.0)[:, None] * 1.0, 4, axis=1))
    nothing = replace(forecast, chances=np.zeros_like(chances))
    assert lists.figures(Answer(nothing))["due_recall_at_10"][0] == 0.0
    assert lists.figures(Answer(bought))["due_recall_at_10"][0] > 0.0
    ranked = Answer(nothing, list_scores=data.pairs.purchases.astype(np.float64))
    assert lists.figures(ranked)["due_ratio"][0] == pytest.approx(1.0)
    unlisted = Answer(bought, list_scores=np.full(len(chances), np.nan))
    assert lists.figures(unlisted)["due_recall_at_10"][0] == 0.0
    assert 0.0 < found["own_frequent_recall_at_10"][0] <= 1.0
