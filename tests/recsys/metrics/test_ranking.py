import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.metrics.ranking import Interval, bootstrap, hit_at_k, hits, ndcg_at_k, recall_at_k

RANKED = np.array([[3, 1, 2], [0, 1, 2], [5, -1, -1], [1, 2, 3]], np.int32)
OFFSETS = np.array([0, 2, 3, 5, 5])
RELEVANT = np.array([3, 2, 9, 5, 7], np.int32)
COUNTS = np.diff(OFFSETS)


def test_hits_say_where_relevant_items_stand():
    found = hits(RANKED, OFFSETS, RELEVANT)
    assert found.tolist() == [[True, False, True], [False] * 3, [True, False, False], [False] * 3]


def test_empty_places_are_never_hits():
    assert not hits(np.full((1, 3), -1, np.int32), np.array([0, 1]), np.array([0], np.int32)).any()


def test_recall_divides_by_all_relevant_or_by_what_fits():
    found = hits(RANKED, OFFSETS, RELEVANT)
    np.testing.assert_allclose(recall_at_k(found, COUNTS, 1), [0.5, 0, 0.5, np.nan])
    np.testing.assert_allclose(recall_at_k(found, COUNTS, 1, "min"), [1, 0, 1, np.nan])


def test_ndcg_cuts_the_ideal_list_at_k():
    found = hits(RANKED, OFFSETS, RELEVANT)
    assert ndcg_at_k(found, COUNTS, 1)[0] == 1.0
    assert ndcg_at_k(found, COUNTS, 3)[0] == pytest.approx((1 + 0.5) / (1 + 1 / math.log2(3)))


def test_hit_rate_is_about_any_hit():
    np.testing.assert_allclose(hit_at_k(hits(RANKED, OFFSETS, RELEVANT), COUNTS, 2), [1, 0, 1, np.nan])


def test_a_list_shorter_than_k_is_refused():
    with pytest.raises(ConfigError, match="k is 4, but the lists hold 3"):
        recall_at_k(np.zeros((1, 3), bool), np.ones(1, int), 4)


def test_nothing_relevant_at_all():
    assert not hits(RANKED, np.zeros(5, np.int64), np.zeros(0, np.int32)).any()


@given(
    st.lists(st.permutations(range(8)), min_size=1, max_size=5),
    st.lists(st.sets(st.integers(0, 9)), min_size=5, max_size=5),
    st.integers(1, 8),
)
def test_metrics_agree_with_plain_loops(lists, wanted, k):
    wanted = wanted[: len(lists)]
    offsets = np.concatenate(([0], np.cumsum([len(w) for w in wanted])))
    relevant = np.array([item for w in wanted for item in sorted(w)], np.int32)
    found = hits(np.array(lists, np.int32), offsets, relevant)
    for c, (ranked, want) in enumerate(zip(lists, wanted, strict=True)):
        gains = [item in want for item in ranked[:k]]
        assert found[c, :k].tolist() == gains
        if want:
            ideal = sum(1 / math.log2(i + 2) for i in range(min(k, len(want))))
            dcg = sum(g / math.log2(i + 2) for i, g in enumerate(gains))
            counts = np.diff(offsets)
            assert ndcg_at_k(found, counts, k)[c] == pytest.approx(dcg / ideal)
            assert recall_at_k(found, counts, k, "min")[c] == pytest.approx(sum(gains) / min(k, len(want)))


def test_intervals_hold_the_mean_and_narrow_with_more_customers():
    values = np.random.default_rng(0).random((2, 4_000))
    many, few = bootstrap(values), bootstrap(values[:, :40])
    assert all(low < mean < high for mean, low, high in many + few)
    assert many[0].high - many[0].low < few[0].high - few[0].low
    assert many[0].high - many[0].low == pytest.approx(4 * 0.2887 / np.sqrt(4_000), rel=0.15)
    assert bootstrap(values) == many


def test_customers_without_a_value_are_left_out():
    values = np.array([[1.0, np.nan, 0.0], [0.5, 0.5, 0.5]])
    mean, constant = bootstrap(values)
    assert mean.mean == 0.5
    assert constant == Interval(0.5, 0.5, 0.5)


def test_no_customers_no_figures():
    assert all(np.isnan(bootstrap(np.full((1, 3), np.nan))[0]))


def test_no_bit_of_a_figure_depends_on_the_rows_beside_it():
    r = np.random.default_rng(0)
    hit, relevant = r.random((515, 20)) < 0.3, r.integers(1, 30, 515)
    among = ndcg_at_k(hit, relevant, 10)
    assert [ndcg_at_k(hit[c : c + 1], relevant[c : c + 1], 10)[0] for c in range(515)] == among.tolist()
