import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import Histories, Ordering
from recsys.errors import ConfigError
from recsys.evaluate import Ranker
from recsys.models import copurchase
from recsys.models.affinity import denoise
from recsys.models.baselines import OwnAndPopular, personal_ranker, popularity_ranker, rank_sparse
from recsys.models.own_history import OwnScores, repeat_scores
from tests.conformance.rankers import N_ITEMS, check_ranker, checkerboard, finds_the_taste
from tests.recsys.histories_builder import customers_strategy, make_histories

POPULARITY = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0, 8.0])


def affinity_ranker(k: int) -> Ranker:
    """Log popularity plus co-purchase, learned on the checkerboard itself."""
    flat = np.full(N_ITEMS, 1.0 / N_ITEMS)
    scope = copurchase.PairScope.from_popularity(flat)
    pairs = 400.0 * copurchase.contribution(checkerboard(), scope, 50)
    model = denoise(pairs, 0.0, scope, np.full(N_ITEMS, -1, np.int32), rank=4)

    def rank(h: Histories, owned_excluded: bool) -> np.ndarray:
        shown = np.zeros((len(h), N_ITEMS))
        shown[h.rows, h.items] = 1.0
        scores = shown @ model.history @ model.candidates.T
        scores[(shown > 0) & owned_excluded] = -np.inf
        order = np.lexsort((np.broadcast_to(np.arange(N_ITEMS), scores.shape), -scores), axis=1)[:, :k]
        kept = np.take_along_axis(scores, order, axis=1) > -np.inf
        return np.where(kept, order, -1).astype(np.int32)

    return rank


@pytest.mark.parametrize("k", [1, 5, N_ITEMS, N_ITEMS + 3])
@pytest.mark.parametrize("make", [OwnAndPopular, popularity_ranker, personal_ranker])
def test_baselines_conform(make, k):
    check_ranker(make(POPULARITY, k), k)


def test_a_co_purchase_ranker_conforms_and_finds_the_taste():
    check_ranker(affinity_ranker(5), 5)
    assert finds_the_taste(affinity_ranker(5))


def test_popularity_is_the_same_for_everybody_with_ties_by_item():
    ranked = popularity_ranker(POPULARITY, 6)(checkerboard(), False)
    assert (ranked == [5, 11, 7, 4, 8, 10]).all()


def test_popularity_needs_no_order():
    h = make_histories([(0, 5), (0, 11)], ordering=Ordering.NONE)
    assert popularity_ranker(POPULARITY, 3)(h, True).tolist() == [[7, 4, 8]]


def test_personal_ranks_own_items_by_frequency_then_fills_up():
    h = make_histories([(1, 0), (2, 0), (2, 1), (3, 9)])
    assert personal_ranker(POPULARITY, 5)(h, False).tolist() == [[0, 9, 1, 5, 11]]


def test_own_and_popular_add_up():
    h = make_histories([(1, 0), (2, 1)])
    ranked = OwnAndPopular(POPULARITY, 3, decay=0.5, own_weight=1.0, popular_weight=1.0)(h, False)
    assert ranked.tolist() == [[1, 5, 11]]  # 1 + 1/9, 1, 8/9; item 0 has 1/2 + 3/9


@given(customers_strategy(n_items=12), st.integers(1, 14), st.booleans())
def test_sparse_ranking_equals_sorting_everything(customers, k, owned_excluded):
    own = repeat_scores(make_histories(*customers))
    ranked = rank_sparse(own, POPULARITY, k, owned_excluded)
    place = np.argsort(np.argsort(-POPULARITY, kind="stable"))
    for c in range(len(own)):
        items, scores = own.of(c)
        total = POPULARITY.copy()
        total[items] += scores
        if owned_excluded:
            total[items] = -np.inf
        order = [int(i) for i in np.lexsort((place, -total)) if total[i] > -np.inf][:k]
        assert ranked[c].tolist() == order + [-1] * (k - len(order))


def test_an_empty_list_is_refused():
    with pytest.raises(ConfigError, match="k is 0"):
        rank_sparse(
            OwnScores(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0)), POPULARITY, 0, False
        )
