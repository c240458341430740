import numpy as np

from recsys.models.replenishment import IntervalModel
from recsys.recommend.due import due_items
from serving.replenishment.categories import category_needs
from tests.recsys.bundle_builder import NOW, make_catalogue, make_history, make_intervals

MODEL = IntervalModel.from_arrays(make_intervals(), make_catalogue(60))
NONE = np.zeros(0, np.int32)
CHANGING = [(5 * number, 7 * number + 6) for number in range(6)]  # six items of category-0, one a week


def test_a_category_has_the_rhythm_of_all_its_items() -> None:
    found = category_needs(MODEL, make_history(*CHANGING, (5, 40), (1, 3)), NOW, NONE)
    one_item = due_items(MODEL, make_history(*((5, days) for _, days in CHANGING), (5, 40)), NOW)
    assert found.found.needs.items.tolist() == [5]
    assert found.found.needs.purchases.tolist() == [7]
    assert found.found.needs.expected.tolist() == one_item.needs.expected.tolist()
    assert found.members[5][0] == 5
    assert set(found.members[5].tolist()) == {0, 5, 10, 15, 20, 25}


def test_one_item_two_days_or_turned_down_items_are_no_category_need() -> None:
    same = [(0, 7 * number + 6) for number in range(6)]
    assert len(category_needs(MODEL, make_history(*same), NOW, NONE).found) == 0
    assert len(category_needs(MODEL, make_history(*CHANGING[:2]), NOW, NONE).found) == 0
    assert len(category_needs(MODEL, make_history(), NOW, NONE).found) == 0
    without = np.array([10, 15, 20, 25], np.int32)
    assert len(category_needs(MODEL, make_history(*CHANGING), NOW, without).found) == 0


def test_items_without_a_category_are_left_out() -> None:
    from dataclasses import replace

    catalogue = replace(make_catalogue(60), categories=("",) * 60)
    model = IntervalModel(None, catalogue)
    assert len(category_needs(model, make_history(*CHANGING), NOW, NONE).found) == 0
