"""What the ghost path adds up equals one backward pass per customer, clipped one by one."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opacus.grad_sample import compute_embedding_norm_sample
from torch import nn

from tests.contracts.gradients.builders import (
    N_ITEMS,
    Silent,
    everyone,
    make_customers,
    make_objective,
    make_profile,
    one_by_one,
    score_gradients,
    start,
)
from training import engine as engine_module
from training import norm_sampler
from training.batches import Batch
from training.engine import Engine
from training.norm_sampler import gradient_norms


@pytest.mark.parametrize("clip_norm", [1e-3, 0.05, None])
@pytest.mark.parametrize(("negatives", "profile"), [(3, None), (25, make_profile()), (N_ITEMS, None)])
def test_the_clipped_sum_is_that_of_single_backward_passes(clip_norm, negatives, profile):
    """clip_norm: None for one that clips nobody."""
    objective = make_objective(profile, negatives=negatives, popularity_power=0.5, full_rank=9)
    customers = make_customers(80)
    parameters = start(objective)
    batch = objective.batch(customers, np.arange(80), np.random.default_rng(3))
    gradients = one_by_one(objective, parameters, batch)
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    clip_norm = clip_norm or 1.01 * norms.max()

    engine, plan = Engine(objective), everyone(clip_norm)
    got = engine.noised_gradient(parameters, customers, plan, Silent(), rng=np.random.default_rng(3)).values
    expected = (gradients * np.minimum(1.0, clip_norm / norms)).sum(0)
    assert len(batch) > 50
    assert np.linalg.norm(got - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("profile", [None, make_profile()])
def test_every_customers_gradient_is_that_of_a_backward_pass_alone(profile, monkeypatch):
    objective, customers = make_objective(profile), make_customers(40)
    parameters = start(objective)
    batch = objective.batch(customers, np.arange(40), np.random.default_rng(3))
    expected = one_by_one(objective, parameters, batch)
    assert len(batch) > 25
    for position in range(len(batch)):
        # The whole batch runs; the sum takes one customer's part of it alone.
        only = torch.eye(Engine(objective).physical_batch)[position]
        unclipped = everyone(1.01 * np.linalg.norm(expected[position]))
        monkeypatch.setattr(engine_module._Clipper, "coefficients", lambda *_, only=only: only)
        got = (
            Engine(objective)
            .noised_gradient(parameters, customers, unclipped, Silent(), rng=np.random.default_rng(3))
            .values
        )
        difference = np.linalg.norm(got - expected[position])
        assert difference <= 1e-5 * np.linalg.norm(expected[position])


def random_batch(seed, customers, length, negatives):
    """Any inputs at all: repeated items, own items among the negatives, negatives that repeat."""
    random = np.random.default_rng(seed)
    few = random.integers(1, N_ITEMS + 1)  # few items: many repetitions
    weights = random.random((customers, length)) * (random.random((customers, length)) < 0.8)
    rows, columns = (random.random((customers, negatives)) < 0.3).nonzero()
    return Batch(
        torch.from_numpy(random.integers(0, few, negatives)),
        torch.from_numpy(random.normal(-3.0, 1.0, negatives).astype(np.float32)),
        torch.from_numpy(random.integers(0, few, (customers, length))),
        torch.from_numpy(weights.astype(np.float32)),
        torch.from_numpy(random.random((customers, length)) < 0.7),
        torch.from_numpy(rows),
        torch.from_numpy(columns),
    )


def norms_with(slack, tower, batch, backprops):
    """The norms with so much added for rounding; float64 [customers]."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(norm_sampler, "SLACK", slack)
        return gradient_norms(tower, batch, backprops).numpy().astype(np.float64)


@given(
    st.integers(0, 2**32), st.integers(0, 5), st.integers(1, 9), st.integers(1, 40), st.sampled_from([0, 1])
)
@example(1405, 2, 6, 40, 1)  # the terms cancel: seven times the square of the embeddings, a norm of .4
@settings(max_examples=30, deadline=None)
def test_norms_equal_single_backward_passes_for_any_inputs(seed, customers, length, negatives, item_scale):
    objective = make_objective(item_scale=item_scale, popularity_power=0.7, full_rank=10)
    batch = random_batch(seed, customers, length, negatives)
    tower, backprops, _ = score_gradients(objective, start(objective, seed), batch)
    norms, plain, doubled = (
        norms_with(slack, tower, batch, backprops) for slack in (norm_sampler.SLACK, 0.0, 1.0)
    )
    terms = doubled**2 - plain**2  # the squared terms, far above the square of a norm where they cancel
    expected = np.linalg.norm(one_by_one(objective, start(objective, seed), batch)[:customers], axis=1)
    assert norms.shape == (customers,)
    known = 2e-5 * expected**2 + 1e-11  # as well as float32 tells a norm, twice: of its square
    assert (np.abs(plain**2 - expected**2) <= norm_sampler.SLACK * terms + known).all()
    assert (norms**2 <= expected**2 + 2.0 * norm_sampler.SLACK * terms + known).all()
    assert (norms >= expected - 3e-6).all(), "below the true norm by no more than float32 can tell"


def test_norms_equal_those_of_the_stock_sampler_for_one_embedding_look_up():
    objective = make_objective(popularity_power=0.5, full_rank=20)
    batch = random_batch(7, customers=40, length=9, negatives=30)
    tower, backprops, _ = score_gradients(objective, start(objective), batch)

    # The same model as Opacus wants it: one nn.Embedding, one look-up of history and negatives.
    embedding = nn.Embedding.from_pretrained(tower.table.detach().clone(), freeze=False)
    everything = tower.rows[torch.cat([batch.history, batch.negatives.expand(40, -1)], 1)]
    looked_up = embedding(everything)
    looked_up.retain_grad()
    scales = tower.scales[torch.cat([batch.history, batch.negatives.expand(40, -1)], 1)]
    items = (looked_up * scales[..., None]).sum(2)
    parts = items[:, :9] * batch.weights[..., None]
    users = parts.sum(1)
    to_own = (items[:, :9] * (users[:, None] - parts)).sum(2)
    scores = torch.cat([to_own, (items[:, 9:] * users[:, None]).sum(2)], 1)
    scores.backward(backprops)
    stock = compute_embedding_norm_sample(embedding, [everything], looked_up.grad)[embedding.weight]
    np.testing.assert_allclose(gradient_norms(tower, batch, backprops), stock, rtol=1e-5)


@pytest.mark.parametrize("profile", [None, make_profile()])
def test_replacing_one_customer_leaves_all_others_bit_identical(profile):
    objective, customers, other = make_objective(profile), make_customers(40), make_customers(40, seed=9)
    parameters, changed = start(objective), 17
    customers.ids[changed, :3], other.ids[changed, :3] = [1, 2, 3], [4, 5, 6]  # both can be learned from
    before = objective.batch(customers, np.arange(40), np.random.default_rng(0))
    customers.ids[changed], customers.weights[changed] = other.ids[changed], other.weights[changed]
    after = objective.batch(customers, np.arange(40), np.random.default_rng(0))

    position = int((~(before.history == after.history).all(1)).nonzero()[0])
    rest = np.arange(len(before)) != position
    results = []
    for batch in (before, after):
        tower, backprops, losses = score_gradients(objective, parameters, batch)
        norms = gradient_norms(tower, batch, backprops)
        results.append((losses.numpy(), backprops.numpy(), norms.numpy()))
    for old, new in zip(*results, strict=True):
        assert np.array_equal(old[rest], new[rest])
        assert not np.array_equal(old[position], new[position])
