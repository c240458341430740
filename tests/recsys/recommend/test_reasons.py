from dataclasses import replace

import numpy as np
import pytest

from recsys.data.history import EventType
from recsys.recommend.pipeline import Recommender
from recsys.recommend.types import Components, Query, ReasonKind, Scene
from tests.recsys.bundle_builder import build_bundle, group_of, make_history


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(build_bundle())


def reasons(recommender, query):
    return {one.item: one.reason for one in recommender.recommend(query).items}


def test_an_item_of_ones_own_was_bought_before(recommender):
    found = reasons(recommender, Query(make_history((7, 30), (7, 20), (8, 3)), 60))
    assert (found[7].kind, found[7].item) == (ReasonKind.BOUGHT_BEFORE, 7)
    assert found[7].text == "You bought it 2 times"
    assert found[8].text == "You bought it before"


def test_an_item_of_a_category_that_is_needed_next_says_why(recommender):
    history, text = make_history((7, 30), (8, 3)), "Customers who bought pans often need lids two weeks later"
    needed = {"category-2": text, "category-4": "later"}
    found = reasons(recommender, Query(history, 60, next_needs=needed))
    assert (found[12].kind, found[12].item, found[12].text) == (ReasonKind.NEXT_NEED, None, text)
    assert found[7].kind is ReasonKind.BOUGHT_BEFORE  # also of category-2
    assert reasons(recommender, Query(history, 60, due={12: "Due"}, next_needs=needed))[12].text == "Due"
    plain = recommender.recommend(Query(history, 60)).item_indices
    assert recommender.recommend(Query(history, 60, next_needs=needed)).item_indices == plain
    anonymous = Query(history, 60, next_needs=needed).anonymous()
    for query in (anonymous, Query(history, 60, next_needs=needed, personalised=False)):
        assert ReasonKind.NEXT_NEED not in {reason.kind for reason in reasons(recommender, query).values()}


def test_an_item_that_is_due_says_when(recommender):
    history, due = make_history((7, 30), (7, 20), (8, 3)), {7: "Due again about Friday", 40: "Due again now"}
    found = reasons(recommender, Query(history, 60, due=due))
    assert (found[7].kind, found[7].item, found[7].text) == (ReasonKind.DUE, 7, "Due again about Friday")
    assert found[40].kind is ReasonKind.DUE
    assert found[8].kind is ReasonKind.BOUGHT_BEFORE
    for anonymous in (
        Query(history, 60, due=due).anonymous(),
        Query(history, 60, due=due, personalised=False),
    ):
        assert ReasonKind.DUE not in {reason.kind for reason in reasons(recommender, anonymous).values()}


def test_a_neighbour_goes_with_the_own_item_of_the_strongest_link(recommender):
    bundle = recommender.bundle
    found = reasons(recommender, Query(make_history((7, 5), (8, 5)), 60))
    near = int(bundle.neighbours[7][0])
    assert (found[near].kind, found[near].item) == (ReasonKind.GOES_WITH, 7)
    assert found[near].text == "Often bought with Product 7, which you bought"


def test_what_was_only_looked_at_is_said_so(recommender):
    found = reasons(recommender, Query(make_history((7, 5, EventType.VIEW)), 60))
    near = int(recommender.bundle.neighbours[7][0])
    assert found[near].text == "Often bought with Product 7, which you looked at"


def test_an_item_alike_that_is_no_neighbour_matches_a_taste(recommender):
    found = reasons(recommender, Query(make_history((7, 5)), 60))
    linked = set(recommender.bundle.neighbours[7].tolist())
    alike = [j for j in range(60) if group_of(j) == group_of(7) and j != 7 and j not in linked]
    assert {found[j].kind for j in alike} == {ReasonKind.TASTE}
    assert found[alike[0]].text == "Matches your interest in Product 7"
    assert found[alike[0]].item == 7


def test_what_nothing_of_ones_own_explains_is_popular(recommender):
    found = reasons(recommender, Query(make_history((7, 5)), 60))
    others = [found[j] for j in range(60) if group_of(j) != group_of(7)]
    assert sum(reason.kind is ReasonKind.POPULAR for reason in others) > len(others) // 2
    assert all(reason.item in (None, 7) for reason in others)


def test_a_switched_off_tower_explains_nothing(recommender):
    bare = recommender.with_components(Components(towers=False, copurchase=False))
    assert ReasonKind.TASTE not in {r.kind for r in reasons(bare, Query(make_history((7, 5)), 60)).values()}


def test_beside_the_scenes_item_the_reason_is_that_item(recommender):
    query = Query(make_history((12, 5)), 60, Scene.PRODUCT, context_items=(7,))
    found = reasons(recommender, query)
    assert 7 not in found
    for near in recommender.bundle.neighbours[7].tolist():
        assert (found[near].kind, found[near].item) == (ReasonKind.GOES_WITH, 7)
    assert found[int(recommender.bundle.neighbours[7][0])].text == "Often bought with Product 7"


def test_without_personalisation_no_reason_speaks_of_the_customer(recommender):
    history = make_history((7, 5), (8, 2))
    found = reasons(recommender, Query(history, 60, personalised=False))
    assert {reason.kind for reason in found.values()} == {ReasonKind.POPULAR}


def test_an_item_without_a_title_is_called_by_its_id():
    bundle = build_bundle()
    catalogue = replace(bundle.catalogue, titles=("",) * 60)
    recommender = Recommender(replace(bundle, catalogue=catalogue))
    near = int(bundle.neighbours[7][0])
    assert "item-007" in reasons(recommender, Query(make_history((7, 5)), 60))[near].text


def test_links_are_log_lifts_between_neighbours_alone(recommender):
    bundle = recommender.bundle
    sources, items = np.array([7, 59]), np.array([12, 3, int(bundle.neighbours[59][1])])
    links = recommender._explainer.links(sources, items)
    for row, source in enumerate(sources):
        lifts = dict(zip(bundle.neighbours[source].tolist(), bundle.lifts[source].tolist(), strict=True))
        expected = [np.log(lifts.get(int(item), 1.0)) for item in items]
        np.testing.assert_allclose(links[row], expected, rtol=1e-6)
