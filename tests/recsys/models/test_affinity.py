import numpy as np
import pytest

from recsys.models import copurchase, popularity
from recsys.models.affinity import LIFTS, REGRESSION, Affinity, Form, category_groups, denoise
from recsys.models.copurchase import PairScope
from tests.recsys.histories_builder import make_catalogue
from tests.recsys.models.grouped_world import ITEMS, GroupedWorld, grouped_world, recall, scores_of


@pytest.fixture(scope="module")
def world() -> GroupedWorld:
    return grouped_world(3_000)


def train(
    world: GroupedWorld,
    noise_std: float,
    *,
    categories: np.ndarray | None = None,
    top: int = ITEMS,
    form: Form = LIFTS,
) -> tuple[Affinity, np.ndarray]:
    """Popularity and co-purchase with Gaussian noise as a release adds it; the model and the popularity."""
    r = np.random.default_rng(7)
    counts = popularity.contribution(world.shown, ITEMS, 50)
    popular = popularity.posterior(counts + r.normal(0, 4 * noise_std, ITEMS), 4 * noise_std)
    scope = PairScope.from_popularity(popular, top, 150)
    pairs = copurchase.contribution(world.shown, scope, 50)
    noised = pairs + r.normal(0, noise_std, len(pairs))
    known = world.group if categories is None else categories
    return denoise(noised, noise_std, scope, known, rank=24, form=form, customers=3_000), popular


def gain(world: GroupedWorld, model: Affinity, popular: np.ndarray) -> float:
    """How much more of the hidden items is found than by popularity alone."""
    flat = np.tile(np.log(popular), (len(world.hidden), 1))
    return recall(world, scores_of(world, model, popular)) / recall(world, flat)


def test_without_noise_it_finds_far_more_than_popularity(world):
    assert gain(world, *train(world, 0.0)) > 1.35


def test_a_regression_predicts_popularity_too(world):
    model, popular = train(world, 1.2, form=REGRESSION)
    alone = scores_of(world, model, np.ones(ITEMS))
    flat = np.tile(np.log(popular), (len(world.hidden), 1))
    assert recall(world, alone) / recall(world, flat) > 1.25
    assert 0.2 < alone.std(axis=1).mean() < 5.0


def test_with_the_noise_of_a_strict_budget_it_still_does(world):
    assert gain(world, *train(world, 1.2)) > 1.3
    assert gain(world, *train(world, 2.4)) > 1.2


def test_categories_carry_what_single_pairs_cannot(world):
    unknown = np.full(ITEMS, -1, np.int32)
    with_categories = gain(world, *train(world, 2.4))
    without = gain(world, *train(world, 2.4, categories=unknown))
    assert with_categories > without + 0.03


@pytest.mark.parametrize("noise_std", [10.0, 30.0])
def test_under_noise_that_hides_everything_it_does_little_harm(world, noise_std):
    assert gain(world, *train(world, noise_std)) > 0.95


def test_neighbours_share_a_taste(world):
    model, _ = train(world, 1.2)
    real = model.neighbours >= 0
    same = world.group[model.neighbours] == world.group[:, None]
    assert same[:, :5][real[:, :5]].mean() > 0.9
    assert (model.lifts[~real] == 0).all()
    assert (model.lifts[real] > 1).all()
    assert (np.diff(model.lifts, axis=1) <= 0).all()
    assert not (model.neighbours == np.arange(ITEMS)[:, None]).any()


def test_shapes_and_types_are_those_of_a_bundle(world):
    model, _ = train(world, 1.2)
    assert model.history.shape == model.candidates.shape == (ITEMS, 24)
    assert model.neighbours.shape == model.lifts.shape == (ITEMS, 20)
    assert model.history.dtype == model.candidates.dtype == model.lifts.dtype == np.float32
    assert model.neighbours.dtype == np.int32


def test_items_outside_the_scope_take_after_their_category(world):
    categories = world.group.copy()
    model, popular = train(world, 0.0, categories=categories, top=200)
    inside = np.argsort(-popular, kind="stable")[:200]
    outside = np.setdiff1d(np.arange(ITEMS), inside)
    item = outside[0]
    family = inside[categories[inside] == categories[item]]
    average = popular[family] @ model.history[family] / popular[family].sum()
    np.testing.assert_allclose(model.history[item], average, rtol=1e-4, atol=1e-6)
    assert (model.neighbours[outside] == -1).all()


def test_items_outside_the_scope_without_a_category_have_no_factors(world):
    unknown = np.full(ITEMS, -1, np.int32)
    model, popular = train(world, 0.0, categories=unknown, top=200)
    outside = np.argsort(-popular, kind="stable")[200:]
    assert not model.history[outside].any()
    assert not model.candidates[outside].any()


def test_damaged_sums_still_give_finite_numbers():
    scope = PairScope.from_popularity(np.array([0.4, 0.3, 0.2, 0.1]), 4, 2)
    for noised in (np.full(6, np.nan), np.full(6, -5.0), np.zeros(6)):
        model = denoise(noised, 1.0, scope, np.zeros(4, np.int32), neighbours=9)
        assert np.isfinite(model.history).all()
        assert np.isfinite(model.candidates).all()
        assert model.neighbours.shape == (4, 9)


def test_equal_sums_give_equal_models(world):
    first, second = train(world, 1.2)[0], train(world, 1.2)[0]
    assert np.array_equal(first.history, second.history)
    assert np.array_equal(first.neighbours, second.neighbours)


def test_items_without_a_category_are_in_no_group():
    assert category_groups(make_catalogue(["tea", "", "milk", "tea"])).tolist() == [2, -1, 1, 2]
