from dataclasses import replace

import numpy as np
import pytest

from recsys.data.history import EventType
from recsys.models.replenishment import IntervalModel, Learned
from recsys.models.rhythm_start import START
from recsys.recommend.due import NO_SIGNAL, bases, due_items, standing
from tests.recsys.bundle_builder import DAY, NOW, make_catalogue, make_histories, make_history, make_intervals

CATALOGUE = make_catalogue(60)
MODEL = IntervalModel.from_arrays(make_intervals(), CATALOGUE)
WEEKLY = tuple((0, 7 * week + 6) for week in range(6))
Event = tuple[int, int, EventType]


def found(*events: tuple[int, int] | Event) -> list[int]:
    needs = due_items(MODEL, make_history(*events), NOW).needs
    return list(needs.items.tolist())


LEARNED = replace(MODEL, learned=Learned(START, np.zeros(60)))


def test_without_signals_it_is_the_model_alone() -> None:
    histories = make_histories(50, 60, seed=3)
    due, needs = due_items(MODEL, histories, NOW), MODEL.needs(histories, NOW)
    for name in needs.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(due.needs, name), getattr(needs, name))
    assert (due.signal == NO_SIGNAL).all()


@pytest.mark.parametrize("kind", [EventType.RETURN, EventType.DISMISS, EventType.DECLINE])
def test_turned_down_is_silent_until_bought_again(kind: EventType) -> None:
    assert found(*WEEKLY) == [0]
    assert found(*WEEKLY, (0, 3, kind)) == []
    assert found(*WEEKLY, (0, 3, kind), (0, 2)) == [0]
    assert found(*WEEKLY, (0, 30, kind)) == [0]
    assert found(*WEEKLY, (1, 3, kind)) == [0]


@pytest.mark.parametrize("kind", [EventType.EMPTY, EventType.EXPIRED])
def test_a_device_makes_its_item_due_now_and_asks(kind: EventType) -> None:
    due = due_items(MODEL, make_history(*WEEKLY, (0, 1, kind)), NOW)
    assert due.needs.expected.tolist() == [NOW - DAY]
    assert due.needs.chances.tolist() == [[1.0] * 4]
    assert due.needs.purchases.tolist() == [6]
    assert (due.signal.tolist(), due.asked.tolist()) == ([kind.code], [True])
    basis, texts = bases(due, CATALOGUE)
    assert texts[int(basis[0])] == f"your device reports it {kind.value}"


def test_a_device_is_believed_about_what_was_never_bought_here() -> None:
    due = due_items(MODEL, make_history(*WEEKLY, (9, 1, EventType.EMPTY)), NOW)
    assert due.needs.items.tolist() == [0, 9]
    assert due.needs.purchases.tolist() == [6, 0]
    assert found((9, 1, EventType.EMPTY)) == [9]


def test_yes_and_no_are_taken_in() -> None:
    asks = (*WEEKLY, (0, 4, EventType.EMPTY))
    yes = due_items(MODEL, make_history(*asks, (0, 3, EventType.CART)), NOW)
    assert (yes.asked.tolist(), yes.signal.tolist()) == ([False], [EventType.EMPTY.code])
    assert found(*asks, (0, 3, EventType.DECLINE)) == []
    again = due_items(MODEL, make_history(*asks, (0, 3, EventType.DECLINE), (0, 1, EventType.EMPTY)), NOW)
    assert again.asked.tolist() == [True]
    bought = due_items(MODEL, make_history(*asks, (0, 2)), NOW)
    assert bought.signal.tolist() == [NO_SIGNAL]
    assert bought.needs.expected[0] > NOW


def test_what_was_dismissed_or_returned_stays_silent_whatever_a_device_says() -> None:
    for kind in (EventType.DISMISS, EventType.RETURN):
        assert found(*WEEKLY, (0, 3, kind), (0, 1, EventType.EMPTY)) == []
        assert not standing(make_history(*WEEKLY, (0, 3, kind), (0, 1, EventType.EMPTY))).asked.any()


def test_what_has_not_happened_yet_is_not_read() -> None:
    early = due_items(MODEL, make_history(*WEEKLY, (0, 0, EventType.DISMISS)), NOW - DAY)
    assert early.needs.items.tolist() == [0]
    assert early.needs.purchases.tolist() == [6]
    earlier = due_items(MODEL, make_history(*WEEKLY), NOW - 20 * DAY)
    assert earlier.needs.purchases.tolist() == [4]
    later = due_items(MODEL, make_history(*WEEKLY), NOW + 2 * DAY)
    assert later.needs.expected[0] >= early.needs.expected[0]


@pytest.mark.parametrize("model", [MODEL, LEARNED], ids=["log-normal", "hazard"])
def test_many_customers_at_once_are_each_alone(model: IntervalModel) -> None:
    histories = make_histories(40, 60, seed=5)
    codes = np.random.default_rng(0).integers(0, len(EventType), len(histories.items)).astype(np.int8)
    mixed = replace(histories, events=codes)
    together = due_items(model, mixed, NOW)
    for customer in range(40):
        alone = due_items(model, mixed.select(np.array([customer])), NOW)
        own = together.where(together.needs.customers == customer)
        assert own.needs.items.tolist() == alone.needs.items.tolist()
        np.testing.assert_array_equal(own.needs.expected, alone.needs.expected)
        np.testing.assert_array_equal(own.asked, alone.asked)


def test_due_by_date_or_by_chance() -> None:
    due = due_items(MODEL, make_history(*WEEKLY, *((1, 14 * n + 1) for n in range(5))), NOW)
    assert due.within(NOW, 14).tolist() == [True, True]
    assert due.within(NOW, 5).tolist() == [True, False]
    np.testing.assert_array_equal(due.chance(5), due.needs.chances[:, 1])
    np.testing.assert_array_equal(due.chance(90), due.needs.chances[:, 3])
    assert due.within(NOW, 5, least=0.0).all()
    assert not due.within(NOW, 5, least=1.1).any()
