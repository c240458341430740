import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.features.sequences import Sequences
from recsys.towers.two_tower import TowerConfig
from tests.contracts.gradients.builders import N_ITEMS, make_customers
from training.batches import make_batch, own_among, sample_negatives, unit_rows, usable_rows

POPULARITY = np.log(np.random.default_rng(3).dirichlet(np.ones(N_ITEMS))).astype(np.float32)


def batch_of(customers, seed=0, **config):
    everyone = np.arange(len(customers))
    return make_batch(customers, everyone, POPULARITY, TowerConfig(**config), np.random.default_rng(seed))


@given(st.integers(0, 2**32), st.integers(1, 90))
@settings(max_examples=30, deadline=None)
def test_a_batch_holds_every_item_of_who_can_be_learned_from(seed, negatives):
    customers = make_customers(12, seed)
    usable = usable_rows(customers.ids, customers.weights.astype(float), N_ITEMS)
    batch = batch_of(customers, seed, negatives=negatives)
    assert len(batch) == usable.sum()
    for row, ids in enumerate(customers.ids[usable]):
        own = ids[ids >= 0]
        assert batch.history[row][batch.is_own[row]].tolist() == own.tolist()
        assert (batch.weights[row][~batch.is_own[row]] == 0).all()
        found = batch.columns[batch.rows == row].tolist()
        assert sorted(found) == np.isin(batch.negatives, own).nonzero()[0].tolist()
    assert batch.rows.tolist() == sorted(batch.rows.tolist())


def test_own_items_are_found_wherever_they_are_drawn():
    rows, columns = own_among(np.array([5, 2, 5, 7]), np.array([[2, 5, -1], [-1, -1, -1], [7, 9, 1]]))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (0, 0), (0, 2), (2, 3)]


def test_weights_keep_their_proportions_at_norm_1():
    customers = Sequences(np.array([[4, 7, 9]]), np.array([[0.9, 0.3, 0.1]], np.float32))
    batch = batch_of(customers)
    assert np.linalg.norm(batch.weights[0]) == pytest.approx(1.0)
    ratio = batch.weights[0] / customers.weights[0]
    assert ratio.std() == pytest.approx(0.0, abs=1e-6)


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
    assert np.array_equal(np.concatenate([chunk.columns for chunk in chunks]), batch.columns)
    starts = np.repeat(np.arange(len(chunks)) * 7, [len(chunk.rows) for chunk in chunks])
    assert np.array_equal(np.concatenate([chunk.rows for chunk in chunks]) + starts, batch.rows)
    assert [len(chunk) for chunk in batch_of(make_customers(0)).chunks(7)] == [0]


def test_rows_of_any_size_become_unit_rows():
    rows = unit_rows(np.array([[3e30, 4e30], [3e-30, 4e-30], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
