from dataclasses import replace

import numpy as np
import pytest

from recsys.bundle.manifest import BlendSpec
from recsys.data.history import EventType, Ordering
from recsys.features.sequences import SequenceConfig, encode
from recsys.recommend import stages
from recsys.recommend.stages import Profile, Scored
from recsys.recommend.types import Query, no_history
from tests.recsys.bundle_builder import make_history


def profile(own=(), scores=(), bought=(), removed=(), baskets=1):
    return Profile(
        ids=np.array([-1]),
        weights=np.zeros(1, np.float32),
        user=np.zeros(2, np.float32),
        own_items=np.array(own, np.int32),
        own_scores=np.array(scores, np.float64),
        baskets=baskets,
        bought=np.array(bought, np.int32),
        removed=np.array(removed, np.int32),
    )


def test_removed_are_the_items_whose_latest_event_sends_them_away():
    history = make_history(
        (1, 9),
        (1, 8, EventType.RETURN),
        (2, 9, EventType.DISMISS),
        (2, 1),
        (3, 5, EventType.DISMISS),
        (4, 1),
    )
    assert sorted(history.items[stages.removing(history)].tolist()) == [1, 3]
    assert stages.removing(make_history((4, 1))) is None


def test_blocked_are_excluded_context_and_removed_items_and_the_bought_on_demand():
    query = Query(no_history(), exclude=frozenset({7}), context_items=(8,))
    customer = profile(bought=(1, 1, 2), removed=(3,))
    assert sorted(stages.blocked(query, customer)) == [3, 7, 8]
    fresh = Query(no_history(), exclude=frozenset({7}), context_items=(8,), new_only=True)
    assert sorted(set(stages.blocked(fresh, customer))) == [1, 2, 3, 7, 8]


def test_the_scene_gives_each_item_its_strongest_lift():
    neighbours = np.array([[1, 2], [2, -1], [0, 1], [0, -1]], np.int32)
    lifts = np.array([[3.0, 2.0], [5.0, 0.0], [0.5, 1.5], [9.0, 0.0]], np.float32)
    assert stages.context_lifts(4, (0, 1), neighbours, lifts).tolist() == [1.0, 3.0, 5.0, 1.0]
    assert stages.context_lifts(4, (2,), neighbours, lifts).tolist() == [1.0, 1.5, 1.0, 1.0]
    assert stages.context_lifts(4, (), neighbours, lifts) is None


def test_candidates_are_distinct_ascending_and_allowed():
    groups = [np.array([5, 1, 3]), np.array([3, 2], np.int32)]
    assert stages.choose(7, groups, np.array([1]), None).tolist() == [2, 3, 5]
    allowed = np.arange(7) != 5
    assert stages.choose(7, groups, np.array([1, 1]), allowed).tolist() == [2, 3]
    assert stages.choose(7, [], np.zeros(0, np.int64), None).tolist() == []


def test_the_blend_is_the_documented_formula():
    items, logits = np.array([1, 4, 6]), np.array([-1.0, 5.0, 0.0], np.float32)
    spec = BlendSpec(weight=0.5, cap=2.0)
    popularity = np.zeros(7, np.float32)
    scored = stages.blend(items, logits, popularity, profile((4, 5), (3.0, 9.0)), spec, None)
    np.testing.assert_allclose(scored.scores, [0.5 * np.exp(-1), 3.0 + 0.5 * np.exp(2), 0.5])
    gains = np.array([1, 1, 1, 1, 1, 1, 4.0], np.float32)
    lifted = stages.blend(items, logits, popularity, profile((4,), (3.0,)), spec, gains)
    np.testing.assert_allclose(lifted.scores[2], 2.0)
    np.testing.assert_allclose(lifted.logits[2], np.log(4.0), rtol=1e-6)


@pytest.mark.parametrize(("baskets", "factor"), [(0, 1.0), (1, 1.0), (4, 2.0), (9, 3.0)])
def test_what_everybody_buys_weighs_more_for_the_active(baskets, factor):
    spec = BlendSpec(weight=0.5, activity=0.5)
    scored = stages.blend(
        np.array([0, 1]),
        np.zeros(2, np.float32),
        np.zeros(2, np.float32),
        profile((1,), (3.0,), baskets=baskets),
        spec,
        None,
    )
    np.testing.assert_allclose(scored.scores, [0.5 * factor, 3.0 + 0.5 * factor])


def test_own_items_count_by_their_appeal_and_less_by_their_likeness_to_themselves():
    popularity = np.array([0.0, -2.0, -1.0], np.float32)
    logits = popularity + np.array([0.0, 1.0, 4.0], np.float32)
    spec = BlendSpec(weight=0.5, cap=2.0, own_appeal=0.3, own_similarity=0.25)
    scored = stages.blend(np.arange(3), logits, popularity, profile((1,), (3.0,)), spec, None)
    appeal = -2.0 + 0.25 * 1.0
    own = 3.0 * np.exp(0.3 * appeal) + 0.5 * np.exp(appeal)
    np.testing.assert_allclose(scored.scores, [0.5, own, 0.5 * np.exp(2.0)], rtol=1e-6)
    np.testing.assert_allclose(scored.logits, [0.0, appeal, 3.0], rtol=1e-6)
    assert logits[1] == -1.0


def test_logits_do_not_depend_on_the_company_they_are_in():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(100, 13)).astype(np.float32)
    user, prior = random.normal(size=13).astype(np.float32), random.normal(size=100).astype(np.float32)
    every = stages.logits(np.arange(100), user, vectors, prior)
    some = np.array([3, 50, 99])
    np.testing.assert_array_equal(stages.logits(some, user, vectors, prior), every[some])
    np.testing.assert_allclose(every, prior + vectors @ user, rtol=1e-4, atol=1e-5)


def test_equal_scores_fall_back_on_logit_popularity_and_item():
    items = np.arange(6)
    scores = np.array([1.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    logits = np.array([0.0, 0.0, 3.0, 0.0, 0.0, 0.0], np.float32)
    popularity = np.array([-2.0, 0.0, 0.0, -1.0, -2.0, -1.0], np.float32)
    order = stages.best(Scored(items, logits, scores), popularity, 6)
    assert order.tolist() == [2, 1, 3, 5, 0, 4]
    assert stages.best(Scored(items, logits, scores), popularity, 2).tolist() == [2, 1]


def test_times_bought_counts_baskets_not_events():
    history = make_history((1, 5), (1, 5), (1, 2), (2, 2), (1, 1, EventType.VIEW))
    assert stages.times_bought(history) == {1: 2, 2: 1}


@pytest.mark.parametrize("ordering", list(Ordering))
def test_profiles_work_for_every_ordering(ordering):
    history = replace(make_history((1, 5), (2, 1)), ordering=ordering)
    config = SequenceConfig(decay=1.0, needs_order=False)
    (one,) = stages.profiles(history, encode(history, config), np.zeros((1, 2), np.float32), 0.5)
    expected = {1: 1.0, 2: 1.0} if ordering is Ordering.NONE else {1: 0.5, 2: 1.0}
    assert dict(zip(one.own_items.tolist(), one.own_scores.tolist(), strict=True)) == expected
    assert sorted(one.bought.tolist()) == [1, 2]
    assert one.baskets == (1 if ordering is Ordering.NONE else 2)
    assert not one.empty


def test_without_own_history_the_bought_are_still_known():
    history = make_history((1, 5))
    (one,) = stages.profiles(history, encode(history, SequenceConfig()), np.zeros((1, 2), np.float32), None)
    assert len(one.own_items) == len(one.own_scores) == 0
    assert one.bought.tolist() == [1]
