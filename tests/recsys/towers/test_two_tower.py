from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys.errors import ConfigError
from recsys.features.items import ItemFeatures
from recsys.towers.two_tower import TowerConfig, TwoTower, initial_parameters, item_vectors

# Two items of one brand, one of another; all of one category and one department.
FEATURES = ItemFeatures(np.array([[0, 3, 5, 6], [1, 3, 5, 6], [2, 4, 5, 6]]), 7)
CONFIG = TowerConfig(embedding_dim=4, feature_scale=0.5)
EVEN = np.log(np.full(3, 1 / 3, np.float32))


@pytest.fixture
def parameters():
    return initial_parameters(FEATURES, CONFIG, seed=3)


def test_an_item_is_its_own_row_and_half_of_its_features(parameters):
    table = parameters.reshape(7, 4)
    expected = [table[i] + 0.5 * (table[brand] + table[5] + table[6]) for i, brand in enumerate([3, 3, 4])]
    np.testing.assert_allclose(item_vectors(FEATURES, CONFIG, parameters, EVEN), expected, rtol=1e-6)


def test_an_items_own_row_has_a_scale_of_its_own(parameters):
    table, config = parameters.reshape(7, 4), replace(CONFIG, item_scale=0.2)
    expected = [
        0.2 * table[i] + 0.5 * (table[brand] + table[5] + table[6]) for i, brand in enumerate([3, 3, 4])
    ]
    np.testing.assert_allclose(item_vectors(FEATURES, config, parameters, EVEN), expected, rtol=1e-6)


def test_items_that_no_feature_tells_apart_keep_their_own_rows_whole(parameters):
    alike = ItemFeatures(np.array([[0, 3, 5, 6], [1, 3, 5, 6], [2, 3, 5, 6]]), 7)
    vectors = item_vectors(alike, replace(CONFIG, item_scale=0.2), parameters, EVEN)
    np.testing.assert_allclose(vectors, item_vectors(alike, CONFIG, parameters, EVEN))


def test_rows_of_rare_items_count_by_popularity(parameters):
    table = parameters.reshape(7, 4)
    config = replace(CONFIG, feature_scale=0.0, popularity_power=0.5, full_rank=2)
    vectors = item_vectors(FEATURES, config, parameters, np.log(np.array([0.7, 0.04, 0.16], np.float32)))
    np.testing.assert_allclose(vectors, table[:3] * np.array([[1.0], [0.5], [1.0]]), rtol=1e-6)


def test_own_items_are_scored_by_the_others_and_negatives_by_all(parameters):
    tower, vectors = (
        TwoTower(FEATURES, CONFIG, parameters, EVEN),
        item_vectors(FEATURES, CONFIG, parameters, EVEN),
    )
    history, weights = torch.tensor([[0, 1], [2, 0]]), torch.tensor([[0.6, 0.8], [1.0, 0.0]])
    scores = tower(torch.tensor([1, 2]), history, weights)
    users = np.stack([0.6 * vectors[0] + 0.8 * vectors[1], vectors[2]])
    others = [[0.8 * vectors[1], 0.6 * vectors[0]], [0.0 * vectors[0], vectors[2]]]
    to_own = (np.array(others) * vectors[history]).sum(2)
    expected = np.concatenate([to_own, users @ vectors[[1, 2]].T], 1)
    np.testing.assert_allclose(scores.detach(), expected, rtol=1e-4, atol=1e-7)


def test_padding_has_no_part_in_the_gradient(parameters):
    tower = TwoTower(FEATURES, ItemFree, parameters, EVEN)
    scores = tower(torch.tensor([1]), torch.tensor([[1, 2, 0]]), torch.tensor([[0.6, 0.8, 0.0]]))
    scores[:, [0, 1, 3]].sum().backward()
    assert torch.equal(tower.table.grad[0], torch.zeros(4)), "row 0 is only looked up for padding"
    assert tower.table.grad[1].abs().sum() > 0


ItemFree = TowerConfig(embedding_dim=4, feature_scale=0.0)


def test_the_start_is_a_function_of_the_public_seed(parameters):
    assert parameters.dtype == np.float32
    assert parameters.shape == (28,)
    assert np.array_equal(parameters, initial_parameters(FEATURES, CONFIG, seed=3))
    assert not np.array_equal(parameters, initial_parameters(FEATURES, CONFIG, seed=4))


def test_the_start_has_the_scale_asked_for():
    features = ItemFeatures(np.arange(4000)[:, None].repeat(4, 1), 4000)
    drawn = initial_parameters(features, TowerConfig(init_scale=0.2), seed=0)
    assert drawn.std() == pytest.approx(0.2, rel=0.01)


def test_items_may_start_near_their_category_and_department():
    random, n = np.random.default_rng(0), 2000
    department = random.integers(2, size=n)
    category = 2 * random.integers(10, size=n) + department  # every category is in one department
    rows = np.stack([np.arange(n), np.full(n, n), n + 1 + category, n + 21 + department], 1)
    features, config = ItemFeatures(rows, n + 23), TowerConfig(500, init_scale=0.2)
    table = initial_parameters(features, replace(config, init_shared=0.75), seed=0).reshape(-1, 500)
    assert table[:n].std() == pytest.approx(0.2, rel=0.05)
    products = table[:n] @ table[:n].T / (500 * 0.2**2)
    same, near = category[:, None] == category, department[:, None] == department
    np.fill_diagonal(same, False)
    assert products[same].mean() == pytest.approx(0.75, abs=0.05)
    assert products[near & (category[:, None] != category)].mean() == pytest.approx(0.75 * 0.2, abs=0.05)
    assert products[~near].mean() == pytest.approx(0.0, abs=0.05)
    untouched = initial_parameters(features, config, seed=0).reshape(-1, 500)
    assert np.array_equal(table[n:], untouched[n:]), "rows of features are drawn as ever"


def test_items_that_no_category_tells_apart_start_apart(parameters):
    shared = replace(CONFIG, init_shared=0.9)
    assert np.array_equal(initial_parameters(FEATURES, shared, seed=3), parameters)


def test_the_model_keeps_its_own_copy_of_the_parameters(parameters):
    before = parameters.copy()
    with torch.no_grad():
        TwoTower(FEATURES, CONFIG, parameters, EVEN).table.zero_()
    assert np.array_equal(parameters, before)


def test_the_model_has_one_parameter_and_no_buffers(parameters):
    tower = TwoTower(FEATURES, CONFIG, parameters, EVEN)
    assert [name for name, _ in tower.named_parameters()] == ["table"]
    assert not list(tower.buffers())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("embedding_dim", 0),
        ("negatives", -1),
        ("full_rank", 0),
        ("popularity_power", -0.5),
        ("feature_scale", -0.1),
        ("item_scale", 11.0),
        ("init_scale", float("inf")),
        ("init_shared", 1.5),
        ("gradient_shared", -0.1),
        ("init_shared", float("nan")),
    ],
)
def test_a_wrong_constant_is_named(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}"):
        TowerConfig(**{name: value})
