import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import SECONDS_PER_DAY, Ordering
from recsys.errors import BundleError, OrderingError
from recsys.models.intervals import CategoryGaps
from recsys.models.replenishment import IntervalModel
from tests.recsys.histories_builder import Row, customers_strategy, make_catalogue, make_histories

DAY = SECONDS_PER_DAY
CATALOGUE = make_catalogue(
    ["coffee", "coffee", "milk", "pan", "", "milk", "milk", "milk"], [True] * 3 + [False] + [True] * 4
)
GAPS = CategoryGaps(np.log([20.0, 30.0, 7.0, 365.0]), np.full(4, 0.2))  # '', coffee, milk, pan
MODEL = IntervalModel(GAPS, CATALOGUE)


def predict(rows: list[Row], today: float, model: IntervalModel = MODEL, **options: float):
    return model.predict(make_histories(rows), int(today * DAY), **options)


def test_one_purchase_rests_on_the_category():
    (due,) = predict([(100, 0)], 101)
    assert due.basis == "typical for coffee"
    assert due.expected_at == pytest.approx(130 * DAY, abs=DAY / 100)
    assert due.low80 < due.expected_at < due.high80
    assert due.remind_at == due.expected_at - 3 * DAY
    assert due.chances[3] < due.chances[7] < due.chances[14] < due.chances[30]


def test_own_purchases_move_it_from_the_category_to_the_own_rhythm():
    few = predict([(0, 0), (10, 0)], 11)[0]
    many = predict([(10 * i, 0) for i in range(12)], 111)[0]
    assert many.basis == "your own 12 purchases"
    assert 10 * DAY < few.expected_at - 10 * DAY < 30 * DAY
    assert many.expected_at - 110 * DAY == pytest.approx(10 * DAY, rel=0.15)
    assert many.high80 - many.low80 < few.high80 - few.low80


def test_soonest_first_and_durables_left_out():
    due = predict([(100, 0), (101, 2), (101, 3), (101, 4)], 102)
    assert [one.item for one in due] == [2, 4, 0]
    assert due[1].basis == "typical for such items"
    moments = [one.expected_at for one in due]
    assert moments == sorted(moments)


def test_nothing_bought_nothing_due():
    assert predict([], 100) == []
    assert predict([(99, 0, "view")], 100) == []


def test_several_purchases_on_a_day_are_one():
    assert predict([(90, 0), (100, 0), (100, 0)], 101) == predict([(90, 0), (100, 0)], 101)


def test_waiting_longer_makes_a_purchase_likelier_until_it_is_given_up():
    rows = [(7 * i, 2) for i in range(6)]
    chances = [predict(rows, 35 + waited)[0].chances[7] for waited in (0, 3, 6)]
    assert chances == sorted(chances)
    assert predict(rows, 35 + 3 * 365) == []


def test_gaps_of_years_and_moments_before_the_last_purchase_are_defined():
    (due,) = predict([(0, 0), (3_000, 0), (9_000, 0)], 9_001)
    assert 0 <= due.chances[7] <= due.chances[30] <= 1
    assert due.low80 < due.expected_at < due.high80
    early = predict([(0, 0), (100, 0)], 50)
    assert early == predict([(0, 0), (100, 0)], 100)


def test_without_published_gaps_only_own_rhythms_count():
    alone = IntervalModel.from_arrays({}, CATALOGUE)
    due = predict([(0, 0), (10, 0), (20, 0), (20, 2)], 21, alone)
    assert [one.item for one in due] == [0]
    assert due[0].basis == "your own 3 purchases"


def test_the_lead_time_is_the_callers():
    assert (
        predict([(100, 0)], 101, lead_days=5)[0].remind_at == predict([(100, 0)], 101)[0].remind_at - 2 * DAY
    )


def test_the_model_survives_its_arrays():
    again = IntervalModel.from_arrays(GAPS.arrays(), CATALOGUE)
    assert predict([(100, 0), (101, 2)], 102, again) == predict([(100, 0), (101, 2)], 102)


@pytest.mark.parametrize("arrays", [{"mean": np.zeros(4)}, {"mean": np.zeros(4), "variance": np.zeros(3)}])
def test_arrays_that_do_not_fit_the_catalogue_are_refused(arrays):
    with pytest.raises(BundleError, match=r"no 'variance' of shape \(4,\)"):
        IntervalModel.from_arrays(arrays, CATALOGUE)


def test_data_without_timestamps_is_refused():
    with pytest.raises(OrderingError):
        MODEL.predict(make_histories([(1, 0)], ordering=Ordering.ORDER_NUMBER), 0)


@given(customers_strategy(n_items=8).filter(bool), st.integers(-10, 4_000))
def test_every_answer_makes_sense(customers, today):
    for due in predict(customers[0], today):
        assert due.low80 <= due.expected_at <= due.high80
        assert 0.0 <= due.chances[7] <= due.chances[30] <= 1.0
        assert CATALOGUE.consumable[due.item]


def test_probabilities_are_calibrated():
    r = np.random.default_rng(0)
    expected, happened = [], []
    for _ in range(400):
        rhythm = r.normal(np.log(30.0), np.sqrt(0.1))
        days = np.exp(r.normal(rhythm, np.sqrt(0.1), 5)).cumsum().round()
        due = predict([(int(day), 0) for day in days[:4]], days[3])
        if due:
            expected.append(due[0].chances[30])
            happened.append(days[4] <= days[3] + 30)
    assert np.mean(expected) == pytest.approx(np.mean(happened), abs=0.06)


def test_the_needs_of_many_customers_are_those_of_each_alone():
    r = np.random.default_rng(1)
    customers = [
        [(int(day), int(r.integers(0, 8))) for day in np.sort(r.integers(0, 200, 30))] for _ in range(20)
    ]
    together = MODEL.needs(make_histories(*customers), 200 * DAY)
    for number, rows in enumerate(customers):
        alone = MODEL.needs(make_histories(rows), 200 * DAY)
        own = together.where(together.customers == number)
        for name in ("items", "purchases", "last", "expected", "low", "high", "chances"):
            assert np.array_equal(getattr(own, name), getattr(alone, name)), name
