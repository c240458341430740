import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.features.sequences import Sequences
from recsys.towers.losses import HIDDEN
from recsys.towers.two_tower import TowerConfig
from tests.contracts.gradients.builders import N_ITEMS, make_customers
from training.batches import choose_targets, make_batch, sample_negatives, unit_rows, usable_rows

POPULARITY = np.log(np.random.default_rng(3).dirichlet(np.ones(N_ITEMS))).astype(np.float32)


def batch_of(customers, seed=0, **config):
    everyone = np.arange(len(customers))
    return make_batch(customers, everyone, POPULARITY, TowerConfig(**config), np.random.default_rng(seed))


@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_targets_and_history_divide_each_customers_items(seed, max_targets, mask_share):
    customers = make_customers(12, seed)
    usable = usable_rows(customers.ids, customers.weights.astype(float), N_ITEMS)
    batch = batch_of(customers, seed, max_targets=max_targets, mask_share=mask_share)
    assert len(batch) == usable.sum()
    for row, ids in enumerate(customers.ids[usable]):
        items = set(ids[ids >= 0].tolist())
        targets = batch.targets[row][batch.is_target[row]].tolist()
        visible = batch.history[row][batch.weights[row] > 0].tolist()
        assert set(targets) | set(visible) == items
        assert len(targets) + len(visible) == len(items), "nothing twice, nothing on both sides"
        assert 1 <= len(targets) <= min(max_targets, len(items) - 1)
        assert len(targets) <= max(1, round(mask_share * len(items)))
        hidden = batch.negatives[batch.biases[row] == HIDDEN].tolist()
        assert set(hidden) == items & set(batch.negatives.tolist())


def test_visible_weights_keep_their_proportions_at_norm_1():
    customers = Sequences(np.array([[4, 7, 9]]), np.array([[0.9, 0.3, 0.1]], np.float32))
    batch = batch_of(customers, mask_share=0.1)
    shown = batch.weights[0] > 0
    assert np.linalg.norm(batch.weights[0]) == pytest.approx(1.0)
    ratio = batch.weights[0][shown] / customers.weights[0][shown.numpy()]
    assert ratio.std() == pytest.approx(0.0, abs=1e-6)


def test_each_item_is_hidden_equally_often():
    ids = np.arange(10)[None].repeat(20_000, 0)
    _, hidden = choose_targets(ids, np.random.default_rng(0).random(ids.shape), TowerConfig(mask_share=0.3))
    assert (hidden.sum(1) == 3).all()
    np.testing.assert_allclose(hidden.mean(0), 0.3, atol=0.02)


@pytest.mark.parametrize(
    ("ids", "weights"),
    [
        ([1, -1, -1], [1, 0, 0]),
        ([-1, -1, -1], [0, 0, 0]),
        ([1, 2, 3], [np.nan, 1, 1]),
        ([1, 2, -1], [1, 1, np.inf]),
        ([1, 2, 3], [-0.1, 1, 1]),
        ([1, 2, N_ITEMS], [1, 1, 1]),
    ],
)
def test_a_row_that_cannot_be_learned_from_is_left_out(ids, weights):
    sound = [1, 2, 3], [0.5, 0.5, 0.5]
    customers = Sequences(np.array([sound[0], ids]), np.array([sound[1], weights], np.float32))
    assert len(batch_of(customers)) == 1


def test_a_small_catalogue_is_compared_with_whole():
    negatives, biases = sample_negatives(POPULARITY, N_ITEMS, np.random.default_rng(0))
    assert negatives.tolist() == list(range(N_ITEMS))
    assert np.array_equal(biases, POPULARITY)


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_a_sample_of_negatives_estimates_sums_over_the_catalogue_without_bias(shift):
    random = np.random.default_rng(1)
    popularity, scores = POPULARITY + np.float32(shift), random.normal(size=N_ITEMS)
    exact = np.exp(scores + popularity).sum()
    sums = []
    for _ in range(3000):
        negatives, biases = sample_negatives(popularity, 7, random)
        assert len(negatives) == 7
        sums.append(np.exp(scores[negatives] + biases).sum())
    assert np.mean(sums) == pytest.approx(exact, rel=0.05)


def test_negatives_do_not_depend_on_customers():
    first, second = (batch_of(make_customers(5, seed), negatives=9).negatives for seed in (1, 2))
    assert first.equal(second)


def test_chunks_are_the_batch_in_order():
    batch = batch_of(make_customers(40))
    chunks = list(batch.chunks(7))
    assert [len(chunk) for chunk in chunks[:-1]] == [7] * (len(chunks) - 1)
    assert np.array_equal(np.concatenate([chunk.history for chunk in chunks]), batch.history)
    assert [len(chunk) for chunk in batch_of(make_customers(0)).chunks(7)] == [0]


def test_rows_of_any_size_become_unit_rows():
    rows = unit_rows(np.array([[3e30, 4e30], [3e-30, 4e-30], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
