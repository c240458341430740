import numpy as np
import pytest

from recsys.data.history import Ordering
from recsys.features.pairs import recent_items
from recsys.models.weighing import EVEN, Weighing
from tests.recsys.histories_builder import make_histories


def weights(
    weighing: Weighing, *rows, ordering: Ordering = Ordering.TIMESTAMP, items=None
) -> dict[int, float]:
    """One customer's items with their weights; items: those that are asked for, all if None."""
    h = make_histories(list(rows), [], ordering=ordering)
    sets = recent_items(h if items is None else h.where(np.isin(h.items, items)), 50)
    return dict(zip(sets.items.tolist(), weighing.of(h, sets).tolist(), strict=True))


def test_recent_and_small_baskets_weigh_more():
    rows = [(1, 0), (2, 1), (2, 2), (2, 1), (3, 0), (3, 3)]
    assert weights(Weighing(0.5, 1.0), *rows) == pytest.approx({0: 1.0, 1: 0.5, 2: 0.5, 3: 1.0})
    # item 0 was bought alone before: there it weighs most
    found = weights(Weighing(0.9, 1.0), *rows)
    assert found == pytest.approx({0: 1.0, 1: 0.45 / 0.81, 2: 0.45 / 0.81, 3: 0.5 / 0.81})


def test_first_purchases_weigh_more():
    found = weights(Weighing(0.5, first_purchase=3.0), (1, 0), (2, 1), (3, 0), (3, 2))
    assert found == pytest.approx({0: 3.25 / 4.0, 1: 3.5 / 4.0, 2: 1.0})


def test_weights_halve_with_the_days_before_the_latest_purchase():
    found = weights(Weighing(half_life=10.0), (5, 0), (15, 1), (20, 1), (25, 2))
    assert found == pytest.approx({0: 0.25, 1: 2.0**-0.5, 2: 1.0})


def test_old_items_alone_weigh_as_much_as_young_ones():
    rows, weighing = [(1, 0), (1, 1), (3, 2), (9_000, 3)], Weighing(0.5, half_life=1e-3)
    assert weights(weighing, *rows, items=[0, 1]) == {0: 1.0, 1: 1.0}
    assert weights(weighing, *rows, items=[0, 1, 2]) == {0: 0.0, 1: 0.0, 2: 1.0}


def test_what_the_data_do_not_have_does_not_count():
    rows = [(1, 0), (2, 1), (3, 1)]
    assert weights(Weighing(0.5, 2.0, 1.0, 3.0), *rows, ordering=Ordering.NONE) == {0: 1.0, 1: 1.0}
    numbered = weights(Weighing(0.5, half_life=0.1), *rows, ordering=Ordering.ORDER_NUMBER)
    assert numbered == pytest.approx({0: 0.25, 1: 1.0})


def test_even_is_even():
    assert EVEN.even
    assert weights(EVEN, (1, 0), (2, 1), (9, 0)) == {0: 1.0, 1: 1.0}
    uneven = [{"decay": 0.9}, {"basket_power": 1.0}, {"first_purchase": 1.0}, {"half_life": 9.0}]
    assert not any(Weighing(**constants).even for constants in uneven)
