import numpy as np
import pytest
import torch

from tests.contracts.gradients.builders import (
    make_customers,
    make_objective,
    make_profile,
    score_gradients,
    start,
)
from training.norm_sampler import GradientSum
from training.own_items import OwnItems


def batch_of(objective, customers, rows):
    return objective.batch(customers, np.asarray(rows), np.random.default_rng(0))


def test_entries_are_the_items_of_the_rows_in_order():
    customers = make_customers(30)
    batch = batch_of(make_objective(), customers, range(30))
    entries = OwnItems.of(batch.padded(64))
    assert entries.size == 64
    assert torch.equal(entries.items, batch.history[batch.is_own])
    assert torch.equal(entries.weights, batch.weights[batch.is_own])
    assert (entries.customers.diff() >= 0).all()


def test_sums_are_by_customer_and_zero_for_those_without_items():
    batch = batch_of(make_objective(), make_customers(20), range(20)).padded(32)
    entries = OwnItems.of(batch)
    counted = entries.by_customer(torch.ones(len(entries.items), 3))
    assert torch.equal(counted, batch.is_own.sum(1)[:, None].float().expand(32, 3))


def test_scores_are_those_of_the_model():
    objective = make_objective()
    batch = batch_of(objective, make_customers(40), range(40)).padded(64)
    tower = objective.tower(start(objective))
    length = batch.history.shape[1]
    expected = tower(batch.negatives, batch.history, batch.weights).detach()
    expected[:, :length][~batch.is_own] = 0.0
    found = GradientSum(tower, batch.negatives, clip_norm=1.0).scores(batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("profile", [None, make_profile()])
def test_a_customer_gets_the_same_bits_whoever_else_is_there(profile):
    objective, customers = make_objective(profile, negatives=60), make_customers(200)
    random, found = np.random.default_rng(0), []
    usable = np.flatnonzero((customers.ids >= 0).sum(1) >= 2)
    for others in range(0, 120, 7):
        rows = np.append(random.choice(usable[1:], others, replace=False), usable[0])
        random.shuffle(rows)
        position = int(np.flatnonzero(rows == usable[0])[0])
        batch = batch_of(objective, customers, rows).padded(128)
        tower, backprops, losses = score_gradients(objective, start(objective), batch)
        total = GradientSum(tower, batch.negatives, clip_norm=1.0)
        gradients = total.gradients(batch, backprops)
        own = gradients.own[gradients.entries.customers == position]
        parts = losses, backprops, total.scores(batch), total.norms(gradients), gradients.users
        found.append([own, *(part[position] for part in parts)])
    for again in found[1:]:
        assert all(torch.equal(*both) for both in zip(again, found[0], strict=True))
