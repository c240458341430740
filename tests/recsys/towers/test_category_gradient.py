import numpy as np
import pytest

from recsys.features.items import ItemFeatures
from recsys.towers.category_gradient import shared_gradient
from recsys.towers.two_tower import TowerConfig

# Three items of two categories (rows 4 and 5), brands of one kind, one department.
FEATURES = ItemFeatures(np.array([[0, 3, 4, 6], [1, 3, 5, 6], [2, 3, 4, 6]]), 7)
GRADIENT = np.arange(14, dtype=np.float32)


def test_items_add_a_part_of_their_categorys_sum():
    shared = shared_gradient(FEATURES, TowerConfig(embedding_dim=2, gradient_shared=0.1), GRADIENT)
    expected = GRADIENT.reshape(7, 2).copy()
    together = expected[0] + expected[2]
    expected[0] += 0.1 * together
    expected[1] *= 1.1
    expected[2] += 0.1 * together
    assert shared.dtype == np.float32
    np.testing.assert_allclose(shared, expected.ravel(), rtol=1e-6)


def test_the_silos_sum_is_not_written_to():
    before = GRADIENT.copy()
    shared_gradient(FEATURES, TowerConfig(embedding_dim=2, gradient_shared=0.1), GRADIENT)
    assert np.array_equal(GRADIENT, before)


@pytest.mark.parametrize(("part", "categories"), [(0.0, [4, 5, 4]), (0.1, [4, 4, 4])])
def test_nothing_changes_without_a_part_or_with_one_category(part, categories):
    rows = FEATURES.rows.copy()
    rows[:, 2] = categories
    config = TowerConfig(embedding_dim=2, gradient_shared=part)
    assert np.array_equal(shared_gradient(ItemFeatures(rows, 7), config, GRADIENT), GRADIENT)


def test_with_noise_it_comes_nearer_to_what_a_category_has_in_common():
    random, n, dim = np.random.default_rng(0), 400, 8
    category = random.integers(10, size=n)
    rows = np.stack([np.arange(n), np.full(n, n), n + 1 + category, np.full(n, n + 11)], 1)
    true = random.normal(size=(10, dim))[category] + 0.5 * random.normal(size=(n, dim))
    noised = np.zeros((n + 12, dim), np.float32)
    noised[:n] = true + 5.0 * random.normal(size=(n, dim))
    config = TowerConfig(embedding_dim=dim, gradient_shared=0.1)
    shared = shared_gradient(ItemFeatures(rows, n + 12), config, noised.ravel()).reshape(-1, dim)[:n]
    assert _cosine(shared, true) > 2 * _cosine(noised[:n], true)


def _cosine(first, second):
    return (first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second)
