"""One customer moves the sum by at most the clip norm, whatever that customer's records hold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.history import EventType, Histories, Ordering
from recsys.features.sequences import SequenceConfig, Sequences, encode
from recsys.privacy.tally import Tally
from tests.contracts.gradients.builders import (
    LENGTH,
    N_ITEMS,
    Silent,
    everyone,
    make_customers,
    make_objective,
    score_gradients,
    start,
    with_row,
    without_row,
)
from training.engine import Engine, _Clipper
from training.norm_sampler import GradientSum

CLIP = 0.05
HARMFUL = [np.nan, np.inf, -np.inf, 1e30, -1.0]


def clipped_sum(customers, seed=0, objective=None, parameters=None):
    objective = objective or make_objective()
    parameters = start(objective) if parameters is None else parameters
    rng = np.random.default_rng(seed)
    return Engine(objective).noised_gradient(parameters, customers, everyone(CLIP), Silent(), rng=rng).values


@pytest.mark.parametrize("events", [1, 2, 10, 10_000])
def test_one_event_or_ten_thousand_count_at_most_the_clip_norm(events):
    random = np.random.default_rng(events)
    h = Histories(
        np.array([0, events]),
        random.integers(0, N_ITEMS, events).astype(np.int32),
        np.arange(events) * 3600,
        np.full(events, EventType.PURCHASE.code, np.int8),
        np.full(events, 1e6, np.float32),
        Ordering.TIMESTAMP,
    )
    alone = clipped_sum(encode(h, SequenceConfig(max_items=LENGTH)))
    norm = np.linalg.norm(alone.astype(np.float64))
    assert norm <= CLIP
    assert (norm == 0.0) == (events == 1), "a single item leaves nothing to predict"


@given(st.integers(2, 30), st.integers(0, 2**32), st.sampled_from([None, *HARMFUL]), st.floats(0.01, 1e3))
@settings(max_examples=30, deadline=None)
def test_adding_or_removing_any_customer_moves_the_sum_by_at_most_the_clip_norm(n, seed, harm, scale):
    objective, customers = make_objective(), make_customers(n, seed)
    if harm is not None:
        customers.weights[-1, : 1 + seed % LENGTH] = harm
    parameters = (start(objective, seed) * scale).astype(np.float32)
    with_it = clipped_sum(customers, seed, objective, parameters)
    without = clipped_sum(without_row(customers, -1), seed, objective, parameters)
    assert np.isfinite(with_it).all()
    assert np.linalg.norm(with_it.astype(np.float64) - without) <= CLIP * (1 + 1e-6) + 1e-7 * CLIP * n


@pytest.mark.parametrize("harm", [np.nan, np.inf, -np.inf, -1.0])
def test_a_customer_with_impossible_weights_adds_exactly_nothing(harm):
    customers = make_customers(20)
    customers.weights[-1, 0] = harm
    without = without_row(customers, -1)
    assert np.array_equal(clipped_sum(customers), clipped_sum(without))


def test_items_outside_the_catalogue_add_exactly_nothing():
    customers = make_customers(20)
    customers.ids[-1, :2] = [3, N_ITEMS]
    assert np.array_equal(clipped_sum(customers), clipped_sum(without_row(customers, -1)))


@pytest.mark.parametrize("tiny", [1e-30, 1e30])
def test_enormous_and_tiny_weights_are_only_directions(tiny):
    customers = make_customers(20)
    shown = customers.ids[3] >= 0
    huge = with_row(customers, 3, customers.ids[3], np.where(shown, tiny, 0.0))
    even = with_row(customers, 3, customers.ids[3], np.where(shown, 1.0, 0.0))
    np.testing.assert_allclose(clipped_sum(huge), clipped_sum(even), rtol=1e-5, atol=1e-8)


def test_a_gradient_that_is_not_finite_is_clipped_to_zero():
    """Unreachable through `noised_gradient`, which bounds parameters and weights: a second wall."""
    norms = torch.tensor([0.0, CLIP / 2, 10 * CLIP, np.nan, np.inf])
    coefficients = _Clipper(everyone(CLIP), Tally()).coefficients(norms)
    np.testing.assert_allclose(coefficients, [1.0, 1.0, 0.1, 0.0, 0.0])

    objective, customers = make_objective(), make_customers(20)
    batch = objective.batch(customers, np.arange(20), np.random.default_rng(0))
    tower, backprops, _ = score_gradients(objective, start(objective), batch)
    sums = []
    for harm in (0.0, np.nan):
        backprops[3] = harm
        total = GradientSum(tower, batch.negatives, CLIP)
        found = total.gradients(batch, backprops)
        total.add(found, _Clipper(everyone(CLIP), Tally()).coefficients(total.bounds(found)))
        sums.append(total.table())
    assert sums[0].isfinite().all()
    torch.testing.assert_close(*sums)


def test_a_whale_with_every_item_counts_at_most_the_clip_norm():
    ids = np.arange(N_ITEMS)[None]
    whale = Sequences(ids, np.ones(ids.shape, np.float32))
    assert 0 < np.linalg.norm(clipped_sum(whale).astype(np.float64)) <= CLIP
