"""The promise of a noised sum: one customer changes it by at most the bound, and noise covers all of it."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.privacy.clipping import clip_rows, segment_sum
from recsys.privacy.mechanisms import noised_sum, release_sum
from recsys.privacy.plan import ReleasePlan
from tests.recsys.privacy.builders import FixedNoise

CLIP = 0.7
ITEMS = 12
WHALES = (1.0, 1e30, 1e-30, np.nan, np.inf, -np.inf, 1e300)

Customers = list[tuple[np.ndarray, np.ndarray]]


def draw_customers(rng: np.random.Generator, n: int) -> Customers:
    """Customers from none to 40 events, repeats among them, some with absurd values."""
    made: Customers = []
    for _ in range(n):
        events = int(rng.integers(0, 40))
        values = rng.normal(size=events) * rng.choice(WHALES, size=events, p=[0.9, *[0.1 / 6] * 6])
        made.append((rng.integers(0, ITEMS, events), values))
    return made


def sum_of(customers: Customers) -> np.ndarray:
    offsets = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in customers])]).astype(np.int64)
    columns = np.concatenate([columns for columns, _ in customers] or [np.zeros(0, np.int64)]).astype(
        np.int64
    )
    values = np.concatenate([values for _, values in customers] or [np.zeros(0)])
    return segment_sum(columns, values, offsets, ITEMS, CLIP)


def test_a_thousand_neighbours_differ_by_at_most_the_bound() -> None:
    rng = np.random.default_rng(7)
    worst = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for _ in range(1000):
            customers = draw_customers(rng, int(rng.integers(2, 12)))
            left_out = int(rng.integers(len(customers)))
            without = customers[:left_out] + customers[left_out + 1 :]
            whole = sum_of(customers)
            assert np.isfinite(whole).all()
            worst = max(worst, float(np.linalg.norm(whole - sum_of(without))))
    assert 0.99 * CLIP < worst <= CLIP * (1 + 1e-9)


@pytest.mark.parametrize("events", [1, 10_000])
def test_ten_thousand_events_weigh_no_more_than_one(events: int) -> None:
    columns = np.random.default_rng(1).integers(0, ITEMS, events)
    contribution = segment_sum(columns, np.ones(events), np.array([0, events]), ITEMS, CLIP)
    assert 0.99 * CLIP <= np.linalg.norm(contribution) <= CLIP


def test_removing_a_customer_changes_no_other_contribution() -> None:
    rows = np.random.default_rng(3).normal(size=(50, ITEMS)) * 10
    clipped = clip_rows(rows, CLIP)
    for left_out in range(50):
        np.testing.assert_array_equal(
            clip_rows(np.delete(rows, left_out, axis=0), CLIP), np.delete(clipped, left_out, axis=0)
        )


def test_under_the_same_noise_releases_of_neighbours_differ_by_at_most_the_bound() -> None:
    plan = ReleasePlan("popularity", clip_norm=CLIP, noise_multiplier=2.0)
    rows = np.random.default_rng(5).normal(size=(30, ITEMS)) * 10
    for seed in range(30):
        with_one = release_sum([rows], plan, FixedNoise(seed))
        without = release_sum([np.delete(rows, seed, axis=0)], plan, FixedNoise(seed))
        assert np.linalg.norm(with_one - without) <= CLIP * (1 + 1e-5)


def test_noise_covers_items_that_nobody_bought() -> None:
    plan = ReleasePlan("popularity", clip_norm=CLIP, noise_multiplier=2.0)
    total = np.zeros(5000)
    total[0] = 100.0
    released = noised_sum(total, plan, FixedNoise(0), 10)
    assert (released != 0).all()
    assert released[1:].std() == pytest.approx(2.0 * CLIP, rel=0.06)
