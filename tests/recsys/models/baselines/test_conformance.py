"""Every published baseline keeps one contract, and those that learn tastes find one."""

import numpy as np
import pytest

from recsys.data.history import Histories, Ordering
from recsys.evaluate import Ranker
from recsys.models.baselines.ease import Ease
from recsys.models.baselines.implicit_als import ImplicitAls
from recsys.models.baselines.item_knn import ItemKnn
from recsys.models.baselines.personal import GpTopFreq, PersonalTop
from recsys.models.baselines.popularity import GlobalTop
from recsys.models.baselines.scoring import rank_all, top_k
from recsys.models.baselines.tifu_knn import TifuKnn
from recsys.models.baselines.up_cf import UpCf
from tests.conformance.rankers import N_ITEMS, check_ranker, checkerboard, finds_the_taste
from tests.recsys.histories_builder import make_histories, random_histories

LEARNERS = {
    "tifu_knn": (TifuKnn, {"neighbours": 6}),
    "up_cf": (UpCf, {}),
    "item_knn": (ItemKnn, {"neighbours": 6}),
    "ease": (Ease, {"ridge": 1.0}),
    "implicit_als": (ImplicitAls, {"factors": 2}),  # two tastes: what more would fit depends on the start
}
COUNTERS = {"popularity": (GlobalTop, {}), "gp_topfreq": (GpTopFreq, {})}
EVERY = {**COUNTERS, **LEARNERS}


def ranker(name: str, k: int) -> Ranker:
    kind, settings = EVERY[name]
    model = kind.fit(checkerboard(), N_ITEMS, **settings)

    def rank(h: Histories, owned_excluded: bool) -> np.ndarray:
        lists = rank_all(model, h, np.ones(N_ITEMS), k)
        return lists.fresh if owned_excluded else lists.overall

    return rank


@pytest.mark.parametrize("k", [1, 5, N_ITEMS + 3])
@pytest.mark.parametrize("name", EVERY)
def test_baselines_conform(name: str, k: int) -> None:
    check_ranker(ranker(name, k), k)


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_find_the_taste(name: str) -> None:
    assert finds_the_taste(ranker(name, 3))


@pytest.mark.parametrize("ordering", list(Ordering))
@pytest.mark.parametrize("name", EVERY)
def test_any_ordering_will_do(name: str, ordering: Ordering) -> None:
    kind, settings = EVERY[name]
    h = make_histories([(1, 0), (2, 1)], [(1, 1), (1, 2)], [(3, 0)], [], ordering=ordering)
    scores = kind.fit(h, 4, **settings).scores(h)
    assert scores.shape == (4, 4)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_personal_top_lists_own_items_alone() -> None:
    h = make_histories([(1, 0), (2, 0), (2, 1)], [])
    lists = rank_all(PersonalTop.fit(h, 4), h, np.ones(4), 3)
    assert lists.overall.tolist() == [[0, 1, -1], [-1, -1, -1]]
    assert (lists.fresh == -1).all()


def test_ease_is_the_closed_form() -> None:
    h = random_histories(200, 8, 6, seed=3)
    shown = np.zeros((200, 6))
    shown[h.rows, h.items] = 1.0
    inverse = np.linalg.inv(shown.T @ shown + 5.0 * np.eye(6))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(Ease.fit(h, 6, ridge=5.0).weights, expected, atol=1e-4)


def test_top_k_equals_sorting_everything() -> None:
    random = np.random.default_rng(0)
    popularity = random.integers(0, 4, 40).astype(float)
    scores = random.integers(-3, 3, (30, 40)).astype(np.float32)
    scores[random.random(scores.shape) < 0.3] = -np.inf
    ranked = top_k(scores, popularity, 25)
    for row, mine in zip(scores, ranked, strict=True):
        order = [i for i in np.lexsort((np.arange(40), -popularity, -row)) if row[i] > -np.inf][:25]
        assert mine.tolist() == order + [-1] * (25 - len(order))
