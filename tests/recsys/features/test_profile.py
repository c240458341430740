from dataclasses import replace

import numpy as np
import pytest

from recsys.errors import ConfigError
from recsys.features.profile import NO_COLUMN, ProfileConfig, TasteProfile
from tests.recsys.histories_builder import make_catalogue

CATEGORIES = ["tea", "milk", "tea", "", "milk", "tea"]
CATALOGUE = replace(make_catalogue(CATEGORIES), prices=np.array([3, 1, 2, 4, 2, 1], np.float32))
POPULARITY = np.array([0.3, 0.2, 0.1, 0.1, 0.2, 0.1])
NOTHING_ELSE = {"brand_weight": 0.0, "tier_weight": 0.0}


def of(**config):
    return TasteProfile.of(CATALOGUE, POPULARITY, ProfileConfig(**config))


def test_a_profile_is_the_log_ratio_of_counted_and_expected_items():
    profile = of(category_prior=0.5, category_weight=2.0, **NOTHING_ELSE)
    (user,) = profile.users(np.array([[0, 2, 1, -1]]))
    tea, milk = profile.columns[0, 0], profile.columns[1, 0]
    assert len(profile) == 2
    assert user[tea] == pytest.approx(2.0 * np.log((2 + 0.5) / (3 * 0.5 + 0.5)), rel=1e-5)
    assert user[milk] == pytest.approx(2.0 * np.log((1 + 0.5) / (3 * 0.4 + 0.5)), rel=1e-5)


def test_every_feature_has_columns_of_its_own_and_the_empty_name_has_none():
    columns = of().columns
    assert columns[3, 0] == NO_COLUMN
    used = [set(columns[:, kind].tolist()) - {NO_COLUMN} for kind in range(3)]
    assert [len(kind) for kind in used] == [2, 3, 4]
    assert sorted(set().union(*used)) == list(range(len(of())))


def test_nobody_without_items_has_tastes():
    assert np.array_equal(of().users(np.full((2, 4), -1)), np.zeros((2, len(of()))))


def test_scores_are_the_products_of_users_and_items():
    profile = of()
    users = profile.users(np.array([[0, 1, -1], [4, 5, 3]]))
    products = users @ profile.items().T
    np.testing.assert_allclose(profile.scores(users, np.arange(6)), products, atol=1e-5)
    own = np.array([[1, 2], [5, 0]])
    np.testing.assert_allclose(profile.scores(users, own), np.take_along_axis(products, own, 1), atol=1e-5)


def test_a_dear_taste_lifts_dear_items_of_other_categories():
    prices = np.array([10, 1, 10, 1], np.float32)
    catalogue = replace(make_catalogue(["tea", "tea", "milk", "milk"]), prices=prices)
    profile = TasteProfile.of(
        catalogue, np.full(4, 0.25), ProfileConfig(category_weight=0.0, brand_weight=0.0)
    )
    (scores,) = profile.scores(profile.users(np.array([[0]])), np.arange(4))
    assert scores[2] > 0.0 > scores[3]


def test_a_department_lifts_items_of_its_other_categories():
    catalogue = replace(
        make_catalogue(["tea", "coffee", "milk", "cream"]), departments=("hot", "hot", "cold", "cold")
    )
    even, alone = np.full(4, 0.25), {"category_weight": 0.5, **NOTHING_ELSE}
    profile = TasteProfile.of(catalogue, even, ProfileConfig(department_weight=0.25, **alone))
    (scores,) = profile.scores(profile.users(np.array([[0]])), np.arange(4))
    assert scores[0] > scores[1] > scores[2] == scores[3]
    hot = 0.25 * np.log((1 + 2.0) / (0.5 + 2.0))
    without = TasteProfile.of(catalogue, even, ProfileConfig(**alone))
    (others,) = without.scores(without.users(np.array([[0]])), np.arange(4))
    assert scores[1] - others[1] == pytest.approx(hot, rel=1e-4)
    assert without.columns.shape == (4, 3)


def test_only_the_values_with_the_most_items_are_kept():
    assert len(of(max_columns=3, **NOTHING_ELSE)) == 1
    assert of(max_columns=3, **NOTHING_ELSE).columns[0, 0] == 0, "tea has the most items"


def test_a_catalogue_without_features_has_no_columns():
    bare = replace(make_catalogue([""] * 3), brands=("",) * 3, prices=np.full(3, np.nan, np.float32))
    profile = TasteProfile.of(bare, np.full(3, 1 / 3), ProfileConfig())
    assert len(profile) == 0
    assert profile.users(np.array([[0, 1]])).shape == (1, 0)
    assert profile.items().shape == (3, 0)
    assert profile.scores(np.zeros((1, 0), np.float32), np.arange(3)).tolist() == [[0.0] * 3]


@pytest.mark.parametrize("name", ["category_prior", "brand_prior", "tier_prior", "department_prior"])
def test_a_prior_of_nothing_is_refused(name):
    with pytest.raises(ConfigError, match="prior"):
        ProfileConfig(**{name: 0.0})


def test_an_own_item_is_judged_by_the_others_alone():
    random = np.random.default_rng(4)
    columns = np.stack([random.integers(-1, 4, 30), random.integers(3, 7, 30), np.full(30, -1)], 1)
    columns[:, 0] = np.minimum(columns[:, 0], 2)
    shares = random.random(7).astype(np.float32)
    profile = TasteProfile(columns, shares, shares + 1, np.float32(0.8) + shares)
    ids = random.random((5, 30)).argsort(1)[:, :6]
    ids[0, 2:], ids[1] = -1, -1
    found = profile.others(ids)
    assert found.shape == ids.shape
    assert not found[ids < 0].any()
    for row, position in np.argwhere(ids >= 0):
        rest = np.delete(ids[row], position)[None]
        expected = profile.scores(profile.users(rest), ids[row, [position]])
        assert found[row, position] == pytest.approx(expected.item(), abs=1e-5)
