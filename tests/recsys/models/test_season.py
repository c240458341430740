from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import Ordering
from recsys.errors import ConfigError, OrderingError
from recsys.models import season
from recsys.models.season import CLIP_NORM, MONTHS, Window, contribution, month_of, shape
from tests.recsys.histories_builder import Row, make_catalogue, make_histories, random_histories

CATALOGUE = make_catalogue(["soup", "ice", "soup", ""])
NAMES = CATALOGUE.category_codes[1]
SOUP, ICE = (NAMES.index(name) for name in ("soup", "ice"))
UNIX = date(1970, 1, 1).toordinal()


def day(*told: int) -> int:
    return date(*told).toordinal() - UNIX


END = day(2025, 6, 15)
WINDOW = Window(END)
rows = st.tuples(st.integers(END - 1200, END + 50), st.integers(0, 3))
customers = st.lists(st.lists(rows, max_size=40), max_size=5)


def cells(*customer: Row, window: Window = WINDOW, full_days: float = 1.0) -> np.ndarray:
    return contribution(make_histories(list(customer)), CATALOGUE, window, full_days=full_days)


@given(customers, st.integers(1, 3), st.sampled_from([1e-6, 1.0, 36.0]))
def test_one_customer_moves_the_sum_by_the_bound_at_most(told: list[list[Row]], years: int, full: float):
    h, window = make_histories(*told), Window(END, years)
    whole = contribution(h, CATALOGUE, window, full_days=full)
    assert whole.shape == shape(CATALOGUE, years)
    for gone in range(len(h)):
        rest = h.select(np.delete(np.arange(len(h)), gone))
        moved = whole - contribution(rest, CATALOGUE, window, full_days=full)
        assert np.linalg.norm(moved) <= CLIP_NORM


@pytest.mark.parametrize("full_days", [1e-6, 36.0, 1e6])
def test_a_whale_counts_like_anybody(full_days: float):
    whale = [(on, item) for on in range(END - 800, END) for item in range(4)]
    norm = np.linalg.norm(cells(*whale, full_days=full_days))
    assert norm <= CLIP_NORM
    assert norm > (0.9 if full_days < 1e3 else 0.1)


def test_days_of_purchase_count_in_their_month():
    before, own = (day(2024, 6, 1), 3), [(day(2024, 12, 3), 0), (day(2024, 12, 9), 2), (day(2025, 1, 9), 1)]
    found = cells(before, *own, *own, full_days=1e6) * 1e3  # twice on a day is once
    assert found[0, SOUP, 11] == pytest.approx(2.0)
    assert found[0, ICE, 0] == pytest.approx(1.0)
    assert found.sum() == pytest.approx(3.0)


def test_who_came_within_the_year_sends_nothing_and_what_is_outside_does_not_count():
    assert not cells((day(2024, 6, 15), 0), (day(2024, 12, 3), 0)).any()
    assert cells((day(2024, 6, 14), 0), (day(2024, 12, 3), 0)).sum() == pytest.approx(1.0)
    assert not cells((day(2024, 6, 14), 0), (END, 0), (END + 9, 1)).any()
    assert not cells((day(2024, 6, 14), 0), window=Window(END, 2)).any()  # there for one year, not for two


def test_views_and_returns_are_no_purchases():
    assert not cells(
        (day(2024, 6, 1), 0), (day(2024, 12, 3), 0, "view"), (day(2025, 1, 3), 0, "return")
    ).any()
    assert not cells((day(2024, 6, 1), 0, "view"), (day(2024, 12, 3), 0)).any()


def test_a_year_holds_every_day_of_the_calendar_once():
    for end in (day(2025, 6, 15), day(2024, 2, 29), day(2024, 3, 1), day(2025, 1, 1)):
        starts = Window(end, 3).starts
        assert starts[-1] == end
        for begin, after in pairwise(starts.tolist()):
            dates = [date.fromordinal(on + UNIX) for on in range(begin, after)]
            assert len({(one.month, one.day) for one in dates} - {(2, 29)}) == len(dates) - any(
                (one.month, one.day) == (2, 29) for one in dates
            )
            assert len(dates) in (365, 366)
            assert month_of(np.arange(begin, after)).tolist() == [one.month - 1 for one in dates]
    assert Window(day(2024, 2, 29)).starts[0] == day(2023, 3, 1)


def test_the_29_february_counts_like_other_days():
    found = cells((day(2023, 5, 1), 0), (day(2024, 2, 29), 1), window=Window(day(2024, 6, 1)))
    assert found[0, ICE, 1] == pytest.approx(1.0)
    assert found.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("offset", [-7 * 3600, 0, 9 * 3600])
def test_the_day_is_the_shops(offset: int):
    h = make_histories([(day(2024, 6, 1), 0), (day(2025, 1, 1), 1)])
    found = contribution(replace(h, utc_offset_seconds=offset), CATALOGUE, WINDOW, full_days=1.0)
    assert np.flatnonzero(found.sum(axis=(0, 1))).tolist() == ([11] if offset < 0 else [0])


@pytest.mark.parametrize("far", [-(2**24), 2_900_000])
def test_far_days_are_defined(far: int):
    found = cells((far, 0), (day(2024, 6, 1), 1), (day(2024, 12, 3), 0))
    assert found.sum() == pytest.approx(1.0)


def test_many_customers_are_the_sum_of_each(monkeypatch: pytest.MonkeyPatch):
    h = random_histories(30, 40, 4, seed=1, days=900)
    window = Window(880)
    each = sum(contribution(h.select(np.array([c])), CATALOGUE, window) for c in range(len(h)))
    assert np.count_nonzero(each) > MONTHS
    np.testing.assert_allclose(contribution(h, CATALOGUE, window), each, atol=1e-12)
    monkeypatch.setattr(season, "CUSTOMERS_AT_ONCE", 7)
    np.testing.assert_allclose(contribution(h, CATALOGUE, window), each, atol=1e-12)


def test_nobody_sends_zeros_and_what_cannot_be_is_refused():
    assert not contribution(make_histories([], []), CATALOGUE, WINDOW).any()
    with pytest.raises(OrderingError, match="a season needs timestamps"):
        contribution(make_histories([(1, 0)], ordering=Ordering.ORDER_NUMBER), CATALOGUE, WINDOW)
    for years in (0, 6):
        with pytest.raises(ConfigError, match=f"years = {years}"):
            Window(END, years)
