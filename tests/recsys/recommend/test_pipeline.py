from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.bundle.index import build_index
from recsys.bundle.manifest import BlendSpec, SequenceSpec
from recsys.bundle.store import read_bundle
from recsys.data.history import EventType, Histories, Ordering
from recsys.errors import ConfigError, UnknownItemError
from recsys.features.sequences import Sequences
from recsys.recommend import encoder
from recsys.recommend.encoder import EncoderError
from recsys.recommend.pipeline import Recommender
from recsys.recommend.types import Components, Degraded, Kind, Query, ReasonKind, Scene, no_history
from tests.recsys.bundle_builder import build_bundle, group_of, make_bundle, make_histories, make_history

N = 60
BUNDLE = build_bundle(n_items=N)
RECOMMENDER = Recommender(BUNDLE)
items = st.integers(0, N - 1)
events = st.tuples(items, st.integers(0, 60), st.sampled_from(list(EventType)))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(events, max_size=25),
    st.integers(1, 80),
    st.frozensets(items, max_size=40),
    st.lists(items, max_size=3),
    st.one_of(st.none(), st.integers(0, 2**N - 1)),
    st.booleans(),
    st.booleans(),
)
def test_every_answer_keeps_the_promises(history, k, exclude, context, mask, personalised, new_only):
    allowed = None if mask is None else np.array([bool(mask >> j & 1) for j in range(N)])
    query = Query(
        make_history(*history),
        k,
        Scene.CART,
        exclude,
        personalised,
        allowed,
        context_items=tuple(context),
        new_only=new_only,
    )
    ranking = RECOMMENDER.recommend(query)
    shown = ranking.item_indices
    bought = {item for item, _, event in history if event is EventType.PURCHASE} if personalised else set()
    gone = sent_away(query.history) if personalised else set()
    possible = set(range(N)) - exclude - set(context) - gone - (bought if new_only else set())
    if allowed is not None:
        possible &= set(np.flatnonzero(allowed).tolist())
    assert len(set(shown)) == len(shown)
    assert set(shown) <= possible
    assert len(shown) == min(k, len(possible))
    assert (Degraded.FEW_CANDIDATES in ranking.degraded) == (len(shown) < k)
    assert {one.item for one in ranking.items if one.kind is Kind.REPEAT} == set(shown) & bought
    scores = [one.score for one in ranking.items]
    assert scores == sorted(scores, reverse=True)


def sent_away(history: Histories) -> set[int]:
    """Items whose latest event is a return or a dismissal."""
    latest = dict(zip(history.items.tolist(), history.events.tolist(), strict=True))
    return {i for i, code in latest.items() if code in (EventType.RETURN.code, EventType.DISMISS.code)}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.booleans())
def test_the_index_gives_the_order_of_all_scores(seed, k, new_only):
    histories = make_histories(5, N, seed=seed)
    scores = RECOMMENDER.scores(histories)
    ranked = RECOMMENDER.rank(histories, k, new_only=new_only)
    for c in range(5):
        if new_only:
            scores[c, histories.items[histories.offsets[c] : histories.offsets[c + 1]]] = -np.inf
        np.testing.assert_array_equal(scores[c][ranked[c]], np.sort(scores[c])[::-1][:k])


def test_the_score_is_the_documented_formula():
    history = make_history((3, 20), (3, 10), (4, 10))
    u = RECOMMENDER.user_vectors(history)[0].astype(np.float64)
    logits = BUNDLE.log_popularity - BUNDLE.log_popularity.max() + BUNDLE.vectors @ u
    expected = np.exp(np.minimum(logits, BUNDLE.manifest.blend.cap))
    expected[3] += 1.0 + 0.9
    expected[4] += 1.0
    np.testing.assert_allclose(RECOMMENDER.scores(history)[0], expected, rtol=1e-4)


def test_batch_and_single_answers_are_the_same():
    histories = make_histories(1100, N, seed=3)
    ranked = RECOMMENDER.rank(histories, 12)
    for c in range(0, 1100, 37):
        shown = RECOMMENDER.recommend(Query(histories.select(np.array([c])), 12)).item_indices
        assert tuple(ranked[c].tolist()) == shown


def test_offline_and_served_scores_agree_for_a_thousand_customers(tmp_path):
    served = Recommender(read_bundle(make_bundle(tmp_path)))
    histories = make_histories(1000, N, seed=5)
    offline = RECOMMENDER.scores(histories)
    features = RECOMMENDER.features(histories)
    for c in range(1000):
        one = histories.select(np.array([c]))
        np.testing.assert_array_equal(served.scores(one)[0], offline[c])
        np.testing.assert_array_equal(served.features(one).ids[0], features.ids[c])


def test_rank_pads_where_there_are_too_few():
    ranked = RECOMMENDER.rank(make_history(*[(i, 1) for i in range(58)]), 5, new_only=True)
    assert ranked.dtype == np.int32
    assert sorted(ranked[0].tolist()) == [-1, -1, -1, 58, 59]
    assert RECOMMENDER.rank(no_customers(), 3).shape == (0, 3)
    assert RECOMMENDER.scores(no_customers()).shape == (0, N)


def no_customers() -> Histories:
    return no_history().select(np.zeros(0, np.int64))


def test_ties_are_broken_by_popularity_and_then_by_item():
    flat = build_bundle(taste=0.0)
    popularity = np.repeat(np.log([0.3, 0.7]) - np.log(30), 30).astype(np.float32)
    even = replace(flat, log_popularity=popularity, index=build_index(flat.vectors, popularity))
    ranked = Recommender(even).rank(make_history((1, 1)), 60, new_only=True)[0]
    assert ranked[:59].tolist() == [*range(30, 60), 0, *range(2, 30)]


def test_beyond_the_cap_taste_still_orders_new_items():
    capped = Recommender(build_bundle(taste=6.0, blend=BlendSpec(cap=-1.0)))
    shown = capped.recommend(Query(make_history((57, 1)), 5, new_only=True)).items
    assert len({one.score for one in shown}) == 1
    assert {group_of(one.item) for one in shown} == {group_of(57)}


def new_item_recall(recommender: Recommender, histories: Histories, k: int = 10) -> float:
    """Share of recommended new items in the group that the customer mostly buys from."""
    ranked = recommender.rank(histories, k, new_only=True)
    hits = []
    for c in range(len(histories)):
        own = histories.items[histories.offsets[c] : histories.offsets[c + 1]] % 5
        if len(own):
            favourite = np.bincount(own, minlength=5).argmax()
            hits.append(np.mean(ranked[c][ranked[c] >= 0] % 5 == favourite))
    return float(np.mean(hits))


def test_shuffled_vectors_fall_to_popularity():
    histories = make_histories(300, 400, seed=1)
    recommender = Recommender(build_bundle(n_items=400))
    popularity = recommender.with_components(Components(towers=False, copurchase=False))
    real, plain = new_item_recall(recommender, histories), new_item_recall(popularity, histories)
    shuffled = new_item_recall(recommender.with_shuffled_vectors(0), histories)
    assert real > plain + 0.4
    assert abs(shuffled - plain) < 0.08
    assert plain == pytest.approx(0.2, abs=0.05)


def test_shuffling_is_repeatable_and_leaves_the_original_alone():
    history = make_history((7, 1))
    before = RECOMMENDER.scores(history)
    one, two = (RECOMMENDER.with_shuffled_vectors(4).scores(history) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, before)
    np.testing.assert_array_equal(RECOMMENDER.scores(history), before)


def test_components_switch_their_part_of_the_score_off():
    history = make_history((3, 20), (4, 10))
    u = RECOMMENDER.user_vectors(history)[0]
    prior = BUNDLE.log_popularity - BUNDLE.log_popularity.max()

    def scores(**off: bool) -> np.ndarray:
        return RECOMMENDER.with_components(Components(**off)).scores(history)[0]

    own = np.zeros(N)
    own[3], own[4] = 0.9, 1.0
    towers, both = BUNDLE.vectors[:, :8] @ u[:8], BUNDLE.vectors @ u
    np.testing.assert_allclose(scores(copurchase=False), own + np.exp(prior + towers), rtol=1e-4)
    np.testing.assert_allclose(scores(towers=False), own + np.exp(prior + both - towers), rtol=1e-4)
    np.testing.assert_allclose(scores(popularity=False), own + np.exp(both), rtol=1e-4)
    np.testing.assert_allclose(scores(own_history=False), np.exp(prior + both), rtol=1e-4)


def test_own_history_alone_knows_nothing_but_own_items():
    alone = RECOMMENDER.with_components(Components(popularity=False, copurchase=False, towers=False))
    ranking = alone.recommend(Query(make_history((3, 20), (4, 10)), 5))
    assert ranking.item_indices == (4, 3)
    assert ranking.degraded == (Degraded.FEW_CANDIDATES,)


def test_without_personalisation_the_history_changes_nothing():
    plain = RECOMMENDER.recommend(Query(no_history(), 10, personalised=False))
    told = RECOMMENDER.recommend(Query(make_history((59, 1), (58, 1)), 10, personalised=False))
    assert told == plain
    assert plain.item_indices == tuple(np.argsort(-BUNDLE.log_popularity, kind="stable")[:10].tolist())
    assert plain.degraded == ()


def test_a_new_customer_gets_popularity_and_is_told_why():
    ranking = RECOMMENDER.recommend(Query(no_history(), 10))
    assert ranking.degraded == (Degraded.NO_HISTORY,)
    assert ranking.item_indices == tuple(range(10))
    assert {one.reason.kind for one in ranking.items} == {ReasonKind.POPULAR}


def test_one_event_changes_the_very_next_answer():
    before = RECOMMENDER.recommend(Query(make_history((7, 9)), 10)).item_indices
    viewed = RECOMMENDER.recommend(Query(make_history((7, 9), (13, 0, EventType.VIEW)), 10)).item_indices
    dismissed = RECOMMENDER.recommend(Query(make_history((7, 9), (before[1], 0, EventType.DISMISS)), 10))
    assert viewed != before
    assert before[1] not in dismissed.item_indices


def test_a_broken_encoder_costs_the_taste_and_not_the_page(monkeypatch):
    def broken(*_: object) -> None:
        raise EncoderError("user_tower.onnx: failed")

    monkeypatch.setattr(encoder.UserEncoder, "encode", broken)
    ranking = RECOMMENDER.recommend(Query(make_history((40, 1)), 5))
    assert ranking.degraded == (Degraded.ENCODER_UNAVAILABLE,)
    assert 40 in ranking.item_indices
    with pytest.raises(EncoderError):
        RECOMMENDER.rank(make_history((40, 1)), 5)


def test_the_scene_lifts_what_goes_with_it():
    history = make_history((7, 9))
    home = RECOMMENDER.recommend(Query(history, 60)).items
    page = RECOMMENDER.recommend(Query(history, 60, Scene.PRODUCT, context_items=(53,))).items
    was = {one.item: one.score for one in home}
    now = {one.item: one.score for one in page}
    lifts = dict(zip(BUNDLE.neighbours[53].tolist(), BUNDLE.lifts[53].tolist(), strict=True))
    assert 53 not in now
    for item in now:
        assert now[item] == pytest.approx(was[item] * lifts.get(item, 1.0), rel=1e-5)


def test_the_scenes_neighbours_are_candidates_however_unpopular():
    page = RECOMMENDER.recommend(
        Query(no_history(), 3, Scene.PRODUCT, personalised=False, context_items=(4,))
    )
    strong = replace(BUNDLE, lifts=np.where(BUNDLE.neighbours >= 0, 1000.0, 0.0).astype(np.float32))
    lifted = Recommender(strong).recommend(
        Query(no_history(), 3, Scene.PRODUCT, personalised=False, context_items=(4,))
    )
    assert set(lifted.item_indices) <= set(BUNDLE.neighbours[4].tolist())
    assert set(page.item_indices) != set(lifted.item_indices)


def test_similar_items_are_those_that_point_the_same_way():
    similar = RECOMMENDER.similar(7, 8)
    directions = BUNDLE.vectors / np.linalg.norm(BUNDLE.vectors, axis=1, keepdims=True)
    cosine = directions @ directions[7]
    assert [one.item for one in similar] == [j for j in np.argsort(-cosine).tolist() if j != 7][:8]
    assert [one.score for one in similar] == pytest.approx([cosine[one.item] for one in similar])
    linked = {one.item: one.reason for one in similar if one.item in BUNDLE.neighbours[7]}
    assert {reason.text for reason in linked.values()} == {"Often bought with Product 7"}
    assert {one.reason.text for one in similar if one.item not in linked} == {"Similar to Product 7"}
    assert len(RECOMMENDER.similar(7, 100)) == N - 1


def test_data_without_order_is_served_by_a_bundle_that_needs_none():
    bundle = build_bundle(sequence=SequenceSpec(decay=1.0, needs_order=False))
    history = replace(make_history((3, 20), (4, 10)), ordering=Ordering.NONE)
    shown = Recommender(bundle).recommend(Query(history, 5)).items
    assert {one.item for one in shown[:2]} == {3, 4}
    assert shown[0].reason.text == "You bought it before"


@pytest.mark.parametrize(
    "query",
    [
        Query(make_history((60, 1))),
        Query(no_history(), exclude=frozenset({60})),
        Query(no_history(), context_items=(-1,)),
    ],
)
def test_items_outside_the_vocabulary_are_refused(query):
    with pytest.raises(UnknownItemError, match="is outside the bundle's 60 items"):
        RECOMMENDER.recommend(query)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ConfigError, match=r"a mask of shape \[59\]"):
        RECOMMENDER.recommend(Query(no_history(), candidates=np.ones(59, bool)))


def test_features_are_those_of_the_bundles_sequence():
    recommender = Recommender(build_bundle(sequence=SequenceSpec(max_items=3)))
    sequences = recommender.features(make_histories(4, N))
    assert isinstance(sequences, Sequences)
    assert sequences.ids.shape == (4, 3)
