import pytest

from recsys.errors import ConfigError
from recsys.recommend.types import Kind, Query, Ranking, Reason, ReasonKind, Recommended, no_history
from tests.recsys.bundle_builder import make_histories, make_history


def test_a_query_is_about_one_customer():
    with pytest.raises(ConfigError, match="exactly one customer, got 2 histories"):
        Query(make_histories(2, 60))


def test_a_query_asks_for_at_least_one_item():
    with pytest.raises(ConfigError, match="k must be at least 1, got 0"):
        Query(no_history(), 0)


def test_the_anonymous_question_carries_nothing_of_the_customer():
    asked = Query(make_history((1, 1)), 5, exclude=frozenset({3}), context_items=(2,), new_only=True)
    anonymous = asked.anonymous()
    assert len(anonymous.history.items) == 0
    assert not anonymous.personalised
    assert (anonymous.k, anonymous.exclude, anonymous.context_items) == (5, frozenset({3}), (2,))


def test_a_ranking_lists_its_items():
    reason = Reason(ReasonKind.POPULAR, None, "Popular")
    ranking = Ranking((Recommended(4, 1.0, Kind.NEW, reason), Recommended(2, 0.5, Kind.REPEAT, reason)))
    assert ranking.item_indices == (4, 2)
