from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import EventType, Histories, Ordering
from recsys.errors import ConfigError, OrderingError
from recsys.models.demand import (
    CLIP_NORM,
    LEAST_UNITS,
    MOST_UNITS,
    PERIODS,
    SPLIT,
    Bounds,
    Scope,
    contribution,
)
from tests.recsys.histories_builder import Row, make_catalogue, make_histories

CATALOGUE = make_catalogue(["milk", "milk", "soap", "salt"])
N_ITEMS, END = len(CATALOGUE), 400
POPULAR = np.array([0.4, 0.3, 0.2, 0.1])
LOW = Bounds(items=2.0, groups=2.0, areas=2.0, level=2.0, spread=2.0, max_areas=2)
WIDE = Bounds(items=1e3, groups=1e3, areas=1e3, level=1e3, spread=1e3, max_areas=2)

rows = st.tuples(st.integers(-10, END + 50), st.integers(0, N_ITEMS - 1))
customers = st.lists(st.lists(rows, max_size=25), max_size=5)


def scope(bounds: Bounds = WIDE) -> Scope:
    return Scope.of(CATALOGUE, POPULAR, bounds, END)


def parts(h: Histories, bounds: Bounds = WIDE) -> list[np.ndarray]:
    """The five parts of what customers send, in units (for customers below all bounds)."""
    of, norms = scope(bounds), (bounds.items, bounds.groups, bounds.areas, bounds.level, bounds.spread)
    found = np.split(contribution(h, of), np.cumsum(of.lengths)[:-1])
    units = [part * norm / share**0.5 for part, norm, share in zip(found, norms, SPLIT, strict=True)]
    return [units[0] / of.weights, *units[1:]]


def with_units(h: Histories, units: list[float], areas: list[int] | None = None) -> Histories:
    return replace(
        h,
        quantities=np.array(units, np.float32),
        areas=None if areas is None else np.array(areas, np.int16),
    )


@given(customers, st.sampled_from([LOW, WIDE, Bounds()]), st.integers(0, 2**32 - 1))
def test_one_customer_moves_the_sum_by_the_bound_at_most(told: list[list[Row]], bounds: Bounds, seed: int):
    random, h = np.random.default_rng(seed), make_histories(*told)
    odd = np.array([1, 1, 2, 50, 1e30, np.inf, np.nan, -1, 0, 1e-30], np.float32)
    areas = random.integers(0, min(bounds.max_areas, 2) + 1, len(h.items)).astype(np.int16)
    h = replace(h, quantities=random.choice(odd, len(h.items)), areas=areas)
    whole = contribution(h, scope(bounds))
    assert whole.shape == (scope(bounds).length,)
    assert np.isfinite(whole).all()
    for gone in range(len(h)):
        rest = contribution(h.select(np.delete(np.arange(len(h)), gone)), scope(bounds))
        assert np.linalg.norm(whole - rest) <= CLIP_NORM


def test_a_whale_reaches_the_bound_of_every_part_and_no_more():
    whale = make_histories([(END - 1 - day, item) for day in range(180) for item in range(N_ITEMS)] * 3)
    whole = contribution(whale, scope(LOW))
    assert np.linalg.norm(whole) == pytest.approx(CLIP_NORM, abs=1e-3)
    found = np.split(whole, np.cumsum(scope(LOW).lengths)[:-1])
    norms = [float(np.linalg.norm(part)) for part in found]
    assert norms == pytest.approx(list(np.sqrt(SPLIT)), abs=0.02)


def test_small_customers_count_in_full():
    h = make_histories([(END - 1, 0), (END - 8, 0), (END - 8, 2)], [(END - 60, 3)], [])
    h = with_units(h, [3, 1, 2, 4], [1, 2, 1, 0])
    items, groups, areas, weeks, _ = parts(h)
    assert items == pytest.approx(np.array([5.0, 0.0, 1.0, 4.0]))
    # Each item leads its category, or is alone behind.
    assert groups[scope().groups] == pytest.approx(items, abs=1e-4)
    assert areas == pytest.approx(np.array([4.0, 5.0, 1.0]))
    assert weeks == pytest.approx(np.array([2.0, 4.0, 0, 0, 0, 0, 0, 0]))


def test_spread_is_of_an_items_units_from_one_period_to_the_next():
    steady = make_histories([(END - 1, 0), (END - 8, 0)])
    uneven = with_units(make_histories([(END - 1, 0)]), [2])
    change, units = parts(steady)[4].reshape(len(PERIODS), 2).T
    assert change[0] == pytest.approx(0.0)
    assert units[0] == pytest.approx(1.0)
    change, units = parts(uneven)[4].reshape(len(PERIODS), 2).T
    assert change == pytest.approx(np.full(3, 2.0))  # (2 - 0)^2 / 2
    assert units == pytest.approx(np.full(3, 1.0))


def test_what_does_not_count():
    weeks = WIDE.weeks
    outside = make_histories([(END, 0), (END + 5, 0), (END - 7 * weeks - 1, 0)])
    assert not contribution(outside, scope()).any()
    assert contribution(make_histories([(END - 7 * weeks, 0)]), scope()).any()
    others = make_histories(
        [(END - 1, 0, kind.value) for kind in EventType if kind is not EventType.PURCHASE]
    )
    assert not contribution(others, scope()).any()
    odd = with_units(make_histories([(END - 1, 0), (END - 2, 0), (END - 3, 0)]), [-2, np.nan, 0])
    assert not contribution(odd, scope()).any()
    much = with_units(make_histories([(END - 1, 0)]), [1e30])
    assert parts(much)[0][0] == pytest.approx(WIDE.max_units)


def test_rare_items_weigh_more():
    assert (np.diff(scope().weights) > 0).all()
    assert np.allclose(Scope.of(CATALOGUE, POPULAR, replace(WIDE, rareness=0.0), END).weights, 1.0)
    extreme = Scope.of(CATALOGUE, np.array([1.0, 1e-300, 1e-300, 1e-308]), replace(WIDE, rareness=1.0), END)
    assert np.isfinite(extreme.weights).all()


def test_leading_items_that_reach_half_of_a_category_are_a_group_of_their_own():
    catalogue = make_catalogue(["milk", "soap", "milk", "milk", "soap", "milk", "salt"])
    popular = np.array([0.1, 0.25, 0.15, 0.05, 0.15, 0.1, 0.2])
    found = Scope.of(catalogue, popular, WIDE, END)
    together = {frozenset(np.flatnonzero(found.groups == group)) for group in range(found.lengths[1])}
    # milk's 0.15 and the first 0.1 reach half of 0.4; nothing is left behind salt, whose place stays
    assert together == {frozenset(own) for own in ([2, 0], [5, 3], [1], [4], [6], [])}
    assert found.length == Scope.of(catalogue, np.full(7, 1 / 7), WIDE, END).length
    assert found.categories.tolist() == catalogue.category_codes[0].tolist()


def test_many_customers_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch):
    h = make_histories(*([(END - 1 - c, c % N_ITEMS)] for c in range(11)))
    whole = contribution(h, scope())
    monkeypatch.setattr("recsys.models.demand.CUSTOMERS_AT_ONCE", 3)
    assert np.allclose(contribution(h, scope()), whole)


def test_what_cannot_be_is_refused():
    with pytest.raises(OrderingError, match="no timestamps"):
        contribution(make_histories([(1, 0)], ordering=Ordering.ORDER_NUMBER), scope())
    with pytest.raises(ConfigError, match="max_areas = 2"):
        contribution(with_units(make_histories([(END - 1, 0)]), [1], [3]), scope())
    with pytest.raises(ConfigError, match="at least 8 weeks"):
        Bounds(weeks=7)
    with pytest.raises(ConfigError, match="recent_weeks = 30"):
        Bounds(recent_weeks=30)


@pytest.mark.parametrize("name", ["max_units", "items", "groups", "areas", "level", "spread"])
@pytest.mark.parametrize("value", [0.0, -1.0, 1e-170, 1e-7, 1e10, 1e308, np.inf, np.nan])
def test_no_bound_is_so_small_or_large_that_norms_taken_by_it_fail(name: str, value: float):
    with pytest.raises(ConfigError, match=f"demand: {name} = "):
        Bounds(**{name: value})


@pytest.mark.parametrize("least", [LEAST_UNITS, MOST_UNITS])
@pytest.mark.parametrize("most", [LEAST_UNITS, MOST_UNITS])
def test_the_least_and_the_most_bounds_hold(least: float, most: float):
    bounds = Bounds(max_units=most, **dict.fromkeys(("items", "groups", "areas", "level", "spread"), least))
    odd = np.array([1e-45, 1.0, 3e38, np.inf, np.nan] * 40, np.float32)
    h = make_histories([(END - 1 - day, day % N_ITEMS) for day in range(len(odd))])
    whole = contribution(replace(h, quantities=odd), scope(bounds))
    assert np.isfinite(whole).all()
    assert np.linalg.norm(whole) <= CLIP_NORM
