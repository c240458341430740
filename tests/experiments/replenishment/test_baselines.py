"""Baselines on examples that were worked out by hand, and where they must agree with each other."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from experiments.replenishment.features import _units, pair_features
from experiments.replenishment.forecast import from_chances
from experiments.replenishment.gaps import category_gap, personal_mean_gap, personal_median_gap
from experiments.replenishment.pairs import Pairs
from experiments.replenishment.poisson_gamma import (
    GammaPrior,
    modified_poisson_gamma,
    modified_rate,
    poisson_gamma,
    repeat_share,
)
from recsys.data.history import EventType, Histories, Ordering
from recsys.data.vocab import Catalogue

DAY = 86_400


def histories(*customers: list[tuple[int, int]]) -> Histories:
    """(day, item) purchases of every customer."""
    rows = [sorted(customer) for customer in customers]
    flat = [event for row in rows for event in row]
    n = len(flat)
    return Histories(
        np.cumsum([0, *map(len, rows)]).astype(np.int64),
        np.array([item for _, item in flat], np.int32),
        np.array([day * DAY + 3_600 for day, _ in flat], np.int64),
        np.full(n, EventType.PURCHASE.code, np.int8),
        np.ones(n, np.float32),
        Ordering.TIMESTAMP,
    )


SHOP = histories([(0, 0), (10, 0), (40, 0), (40, 1), (60, 0)], [(5, 0), (5, 0), (70, 1)])


@pytest.fixture(name="pairs")
def _pairs() -> Pairs:
    return Pairs.on(SHOP, 50, 2)


def test_what_is_known_on_a_day(pairs: Pairs) -> None:
    assert pairs.customers.tolist() == [0, 0, 1]
    assert pairs.items.tolist() == [0, 1, 0]
    assert pairs.purchases.tolist() == [3, 1, 1]
    assert pairs.elapsed.tolist() == [10.0, 10.0, 45.0]
    assert pairs.span.tolist() == [40.0, 0.0, 0.0]
    assert pairs.mean_gap[0] == pairs.median_gap[0] == 20.0
    assert pairs.last_gap[0] == 30.0
    assert np.isnan(pairs.mean_gap[1:]).all()
    assert pairs.next_purchase(SHOP).tolist() == [10.0, np.inf, np.inf]


def test_median_of_an_odd_number_of_gaps() -> None:
    pairs = Pairs.on(histories([(0, 0), (1, 0), (3, 0), (50, 0)]), 60, 1)
    assert pairs.median_gap.tolist() == [2.0]


def test_gaps_become_chances_by_an_exponential(pairs: Pairs) -> None:
    found = personal_mean_gap(pairs)
    assert found.chances[0].tolist() == pytest.approx([1 - np.exp(-h / 20) for h in (3, 7, 14, 30)])
    assert found.expected[:2].tolist() == [
        10.0,
        10.0,
    ]  # 20 days after the latest; alone: the mean of all gaps
    assert found.expected[2] == 0.0  # overdue: today
    assert personal_median_gap(pairs).expected[0] == 10.0
    assert found.low[0] == pytest.approx(-20 * np.log(0.9))
    assert found.high[0] == pytest.approx(-20 * np.log(0.1))


def test_categories_have_their_own_gap_where_they_have_enough() -> None:
    often = [(day, 0) for day in range(0, 50, 2)]
    seldom = [(day, 1) for day in range(0, 500, 20)]
    pairs = Pairs.on(histories(often, seldom), 500, 2)
    catalogue = Catalogue.from_table(pa.table({"item_id": ["a", "b"], "category": ["milk", "soap"]}))
    found = category_gap(pairs, catalogue)
    assert (1 - found.chances[:, 0]).tolist() == pytest.approx([np.exp(-3 / 2), np.exp(-3 / 20)])
    nothing = Catalogue.from_table(pa.table({"item_id": ["a", "b"]}))
    assert len(np.unique(category_gap(pairs, nothing).chances[:, 0])) == 1


def test_poisson_gamma_by_hand(pairs: Pairs) -> None:
    prior = GammaPrior(2.0, np.array([100.0, 50.0]), np.array([0.5, 0.5]))
    found = poisson_gamma(pairs, prior)
    # Customer 0, item 0: 2 repeats in 50 days: Gamma(4, 150), so P(none in 14 days) = (150 / 164)^4.
    assert found.chances[0, 2] == pytest.approx(1 - (150 / 164) ** 4)
    assert found.chances[1, 2] == pytest.approx(1 - (60 / 74) ** 2)
    assert 1 - (150 / (150 + found.expected[0])) ** 4 == pytest.approx(0.5)
    assert 1 - (150 / (150 + found.high[0])) ** 4 == pytest.approx(0.9)


def test_modified_poisson_gamma_by_hand(pairs: Pairs) -> None:
    prior = GammaPrior(2.0, np.array([100.0, 50.0]), np.array([0.5, 0.25]))
    # 10 days after the latest of 3 purchases with mean gap 20: (3 + 2) / (40 + 2 |20 - 10| + 100).
    assert modified_rate(pairs, prior)[0] == pytest.approx(5 / 160)
    assert modified_rate(pairs, prior, purchases=False)[0] == pytest.approx(4 / 160)
    later = Pairs.on(SHOP.where(SHOP.times < 50 * DAY), 90, 2)  # 50 days: beyond twice the mean gap
    assert modified_rate(later, prior)[0] == pytest.approx(5 / (90 + 100))
    assert modified_rate(pairs, prior)[1] == pytest.approx(3 / (10 + 50))
    found = modified_poisson_gamma(pairs, prior)
    assert found.chances[0, 2] == pytest.approx(0.5 * -np.expm1(-14 * 5 / 160))
    assert found.expected[0] == 36_500.0  # half never buy again
    whole = modified_poisson_gamma(pairs, prior, repeats=False)
    assert whole.expected[0] == pytest.approx(np.log(2) * 160 / 5)


def test_the_prior_is_found_again() -> None:
    random = np.random.default_rng(0)
    rates = random.gamma(2.0, 1 / 80.0, 3_000)
    customers = []
    for rate in rates:
        days = np.cumsum(random.exponential(1 / rate, 40)).astype(int)
        customers.append([(0, 0), *((int(day), 0) for day in np.unique(days[days < 300]) if day > 0)])
    pairs = Pairs.on(histories(*customers), 300, 1)
    prior = GammaPrior.fit(pairs, by_item=False)
    assert prior.shape == pytest.approx(2.0, rel=0.15)
    assert prior.rate[0] == pytest.approx(80.0, rel=0.15)
    assert GammaPrior.fit(pairs, by_item=True).rate[0] == pytest.approx(prior.rate[0], rel=0.02)
    assert repeat_share(pairs)[0] == pytest.approx((pairs.counts > 0).mean())


def test_dates_from_chances() -> None:
    rate = 0.05
    chances = -np.expm1(-rate * np.array([[3, 7, 14, 30]]))
    found = from_chances(chances)
    assert found.expected[0] == pytest.approx(np.log(2) / rate)
    assert found.low[0] == pytest.approx(-np.log(0.9) / rate)
    assert found.high[0] == pytest.approx(-np.log(0.1) / rate)  # beyond the last horizon
    assert from_chances(np.zeros((1, 4))).expected[0] == 36_500.0


def test_units_tell_how_long_a_purchase_lasts() -> None:
    shop = histories([(0, 0), (10, 0), (30, 0)])
    shop = replace(shop, quantities=np.array([1.0, 2.0, 4.0], np.float32))
    found = _units(shop, Pairs.on(shop, 45, 1))
    assert found["units"][0] == 4.0
    assert found["units over usual"][0] == pytest.approx(4 / 1.5)
    assert found["days a unit"][0] == 10.0
    assert found["elapsed over lasting"][0] == pytest.approx(15 / 40)


def test_features_know_the_past_alone(pairs: Pairs) -> None:
    before = SHOP.where(SHOP.times < 50 * DAY)
    assert np.array_equal(pair_features(SHOP, pairs), pair_features(before, pairs), equal_nan=True)
