import numpy as np
import pytest

from recsys.metrics.catalog import coverage, exposure, gini, long_tail_share

RANKED = np.array([[0, 1], [0, 2], [0, -1]], np.int32)


def test_exposure_counts_lists():
    assert exposure(RANKED, 4).tolist() == [3, 1, 1, 0]


def test_coverage_is_the_share_of_the_catalogue_shown():
    assert coverage(RANKED, 4) == 0.75
    assert coverage(RANKED[:0], 0) == 0.0


def test_gini_is_zero_for_equal_and_near_one_for_one_item():
    assert gini(np.array([5, 5, 5])) == pytest.approx(0.0)
    assert gini(np.array([0] * 99 + [10])) == pytest.approx(0.99)
    assert gini(np.array([1, 3])) == pytest.approx(0.25)
    assert gini(np.zeros(3, int)) == 0.0


def test_the_long_tail_is_what_the_most_sold_items_leave():
    sold = np.array([60.0, 25.0, 10.0, 5.0])
    assert long_tail_share(RANKED, sold) == pytest.approx(1 / 5)
    assert long_tail_share(np.full((2, 2), -1), sold) == 0.0
