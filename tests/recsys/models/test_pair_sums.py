"""Exact sums of pair values: at the limits of what a silo adds up, and within bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from recsys.features.pairs import ItemSets
from recsys.models import pair_sums
from recsys.models.copurchase import PairScope, contribution
from recsys.models.pair_sums import MOST_OTHERS, OTHERS_BITS, PAIR_BITS, Usual, exact_sum
from tests.recsys.histories_builder import make_histories

MANY = 2.0**21


@pytest.mark.parametrize("lowest", [1e-300, 1e-6, 0.3])
def test_sums_of_two_million_customers_are_that_many_times_one_customers(lowest: float) -> None:
    r = np.random.default_rng(0)
    m = 12
    share = np.exp(r.uniform(np.log(lowest), 0.0, m))
    usual = Usual.of(share / share.sum(), r.uniform(0.01, 1.0, m))
    places = tuple(place.astype(np.int32) for place in np.triu_indices(m, 1))
    # Parts as large as one customer's can be, of which each pair keeps a value of norm below 1.
    others, times = np.zeros(m), float(r.integers(1, 2**9))
    others[:3] = r.integers(0, 2**OTHERS_BITS, 3)
    rest = exact_sum(np.zeros(len(places[0])), others, times, usual, places)
    pairs = np.rint((r.uniform(-0.1, 0.1, len(rest)) - rest) * 2.0**PAIR_BITS)
    one = exact_sum(pairs, others, times, usual, places)
    assert one.any()
    assert np.abs(one).max() < 1.0
    many = exact_sum(MANY * pairs, MANY * others, MANY * times, usual, places)
    np.testing.assert_array_equal(many, MANY * one)


def test_what_overflows_on_the_way_does_no_harm() -> None:
    usual = Usual.of(np.array([0.5, 0.5]), np.ones(2))
    places = np.array([0], np.int32), np.array([1], np.int32)
    others = np.full(2, MANY * MOST_OTHERS * 2.0**OTHERS_BITS)
    # (others u' + u others') is MANY x MOST_OTHERS, and times u u' a quarter of times: together 1.
    times = (4.0 * MANY * MOST_OTHERS + 4.0) * 2.0**5
    np.testing.assert_array_equal(exact_sum(np.zeros(1), others, times, usual, places), [1.0])


def test_parts_that_grids_cannot_hold_are_sent_by_nobody() -> None:
    """The fewest and rarest items: their factor would be largest."""
    popularity = np.concatenate([[0.999], np.full(200, 1e-6)])
    scope = PairScope.from_popularity(popularity, top=201, full_rank=1)
    for bought in ([5, 6], list(range(201)), list(range(1, 201))):
        sent = contribution(make_histories([(day, item) for day, item in enumerate(bought)]), scope, 201)
        assert np.isfinite(sent).all()
        assert np.linalg.norm(sent) <= 1.0


@pytest.mark.parametrize("items", [30, 1_500])
def test_memory_does_not_follow_a_customer_with_many_items(
    items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_sums, "CELLS_AT_ONCE", 20_000)
    sets = ItemSets(np.array([0, items]), np.arange(items, dtype=np.int32))
    reach = np.minimum(np.arange(items) + 3, items)
    widths = reach - np.arange(items) - 1
    tracemalloc.start()
    found = pair_sums.pair_sums(sets, sets.items, np.ones(1), np.ones(items), reach, widths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, np.full(widths.sum(), 2.0**PAIR_BITS))
    assert peak < 20 * 8 * 20_000  # all pairs of 1,500 items take three times as much in one array
