import numpy as np
import pytest
from hypothesis import given

from recsys.features.rhythm import Rhythms, rhythms
from recsys.models.hazard import DIMENSIONS, EDGES, FURTHEST, NAMES, appeal, chances, moments
from recsys.models.rhythm_start import START, WHITEN
from tests.recsys.histories_builder import Row, customers_strategy, make_histories

USUAL, NO_APPEAL = np.full(8, np.log(30.0)), np.zeros(8)
DAYS = (3, 7, 14, 30)


def every(gap: int, times: int, waited: int) -> Rhythms:
    """One pair, bought so many times with this gap, and not for some days."""
    rows = [(gap * i, 0) for i in range(times)]
    return rhythms(make_histories(rows), gap * (times - 1) + waited, USUAL)


def test_the_start_has_a_parameter_for_every_name():
    assert START.shape == (DIMENSIONS,) == (len(NAMES),)
    assert WHITEN.shape == (DIMENSIONS, DIMENSIONS)
    assert np.linalg.eigvalsh((WHITEN + WHITEN.T) / 2).min() > 0


def test_constant_hazards_give_exponential_times():
    theta = np.zeros(DIMENSIONS)
    theta[0] = np.log(0.02)
    pairs = every(10, 5, 8)
    found = chances(pairs, NO_APPEAL, theta, DAYS)[0]
    np.testing.assert_allclose(found, -np.expm1(-0.02 * np.array(DAYS)))
    middle = moments(pairs, NO_APPEAL, theta, (0.1, 0.5, 0.9))[0]
    np.testing.assert_allclose(middle, -np.log([0.9, 0.5, 0.1]) / 0.02)


def test_a_regular_rhythm_is_due_about_when_it_was_due_before():
    soon, later = every(28, 14, 26), every(28, 14, 3)
    assert chances(soon, NO_APPEAL, START, DAYS)[0, 2] > 1.5 * chances(later, NO_APPEAL, START, DAYS)[0, 2]
    assert 15 < moments(later, NO_APPEAL, START, (0.5,))[0, 0] < 45


def test_a_customer_who_left_is_not_expected_soon():
    here, gone = every(10, 8, 9), every(10, 8, 300)
    assert chances(gone, NO_APPEAL, START, DAYS)[0, 3] < chances(here, NO_APPEAL, START, DAYS)[0, 3] / 3
    assert moments(gone, NO_APPEAL, START, (0.5,))[0, 0] > 100


def test_popular_items_have_more_appeal():
    assert appeal(np.array([0.7, 0.2, 0.1])).tolist() == sorted(appeal(np.array([0.7, 0.2, 0.1])))[::-1]
    assert appeal(np.full(5, 0.2)) == pytest.approx(np.zeros(5))


def test_chances_are_told_at_edges_only():
    with pytest.raises(ValueError, match="not at all of"):
        chances(every(10, 3, 2), NO_APPEAL, START, (4,))


@given(customers_strategy())
def test_chances_and_moments_are_in_order_whatever_was_bought(customers: list[list[Row]]):
    pairs = rhythms(make_histories(*customers), 31, USUAL)
    for theta in (START, START * 50, -START):
        found = chances(pairs, NO_APPEAL, theta, EDGES[1:].tolist())
        assert found.shape == (len(pairs), len(EDGES) - 1)
        assert ((found >= 0) & (found <= 1)).all()
        assert (np.diff(found, axis=1) >= 0).all()
        days = moments(pairs, NO_APPEAL, theta, (0.1, 0.5, 0.9))
        assert (np.diff(days, axis=1) >= 0).all()
        assert ((days >= 0) & (days <= FURTHEST)).all()
