from dataclasses import replace

import numpy as np

from recsys.models.replenishment import IntervalModel
from recsys.models.rhythm_start import START
from recsys.recommend.due import due_items
from serving.replenishment.categories import category_needs, packs_of
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


def test_a_larger_pack_counts_as_so_many_of_the_usual_one() -> None:
    catalogue = make_catalogue(60)
    sizes = np.full(60, 250.0, np.float32)
    sizes[10] = 500.0
    learned = make_intervals() | {"hazard": START, "appeals": np.zeros(60)}  # a hazard reads units too
    blind, model = (
        IntervalModel.from_arrays(learned, replace(catalogue, pack_sizes=sizes, pack_units=(unit,) * 60))
        for unit in ("", "g")
    )
    usual = [(5, 10 * number + 30) for number in range(6)]
    changed = make_history(*usual, (10, 6))
    twice = make_history(*usual, (5, 6))
    twice.quantities[-1] = 2.0
    alike = due_items(model, twice, NOW).needs
    found = category_needs(model, changed, NOW, NONE).found.needs
    assert found.items.tolist() == [5]
    assert found.expected.tolist() == alike.expected.tolist()
    assert found.expected[0] > category_needs(blind, changed, NOW, NONE).found.needs.expected[0]


def test_packs_that_cannot_be_compared_count_as_they_are() -> None:
    sizes = np.array([250.0, 500.0, 500.0, np.nan, 0.0], np.float32)
    catalogue = replace(make_catalogue(5), pack_sizes=sizes, pack_units=("g", "g", "ml", "g", "g"))
    items = np.arange(5, dtype=np.int32)
    assert packs_of(catalogue, items, 0).tolist() == [1.0, 2.0, 1.0, 1.0, 1.0]
    assert packs_of(catalogue, items, 4).tolist() == [1.0] * 5
    assert packs_of(make_catalogue(5), items, 0).tolist() == [1.0] * 5


def test_items_without_a_category_are_left_out() -> None:
    catalogue = replace(make_catalogue(60), categories=("",) * 60)
    model = IntervalModel(None, catalogue)
    assert len(category_needs(model, make_history(*CHANGING), NOW, NONE).found) == 0
