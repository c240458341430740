from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import SECONDS_PER_DAY
from recsys.errors import BundleError
from recsys.features.rhythm import Rhythms, rhythms
from recsys.models.hazard import DIMENSIONS, EDGES, outlook
from recsys.models.replenishment import HORIZONS, IntervalModel
from recsys.models.rhythm_start import START
from recsys.models.season import MONTHS
from recsys.models.season_clock import Season, position
from tests.recsys.histories_builder import make_catalogue, make_histories

UNIX = date(1970, 1, 1).toordinal()
CATALOGUE = make_catalogue(["flat", "ice", "soup", "ice"])
NAMES = CATALOGUE.category_codes[1]
FLAT, ICE, SOUP = 0, 1, 2  # items
TURNS = 2.0 * np.pi * np.arange(MONTHS) / MONTHS
SHARES = (0.1, 0.5, 0.9)
JULY, JANUARY = 6, 0


def season() -> Season:
    """Ice is wanted in July, soup in January, the rest all year."""
    factors = np.ones((len(NAMES), MONTHS))
    factors[NAMES.index("ice")] = np.exp(np.cos(TURNS - TURNS[JULY]))
    factors[NAMES.index("soup")] = np.exp(np.cos(TURNS))
    return Season(factors / factors.mean(axis=1, keepdims=True), CATALOGUE.category_codes[0])


def day(*told: int) -> int:
    return date(*told).toordinal() - UNIX


def pair(item: int, *days: int, now: int) -> Rhythms:
    return rhythms(make_histories([(on, item) for on in days]), now, np.full(4, np.log(30.0)))


def asked(pairs: Rhythms, now: int | None, theta: np.ndarray = START) -> tuple[np.ndarray, np.ndarray]:
    clock = None if now is None else season().clock(now, EDGES)
    return outlook(pairs, np.zeros(4), theta, HORIZONS, SHARES, clock)


def test_positions_are_months_of_the_calendar():
    told = np.array([day(2024, 1, 1), day(2024, 2, 29), day(2025, 12, 31)], np.float64)
    np.testing.assert_allclose(position(told), [0.0, 1.0 + 28 / 29, 11.0 + 30 / 31])
    np.testing.assert_allclose(position(told + 0.5) - position(told), [0.5 / 31, 0.5 / 29, 0.5 / 31])


@given(st.integers(-(10**6), 10**6), st.integers(1, 400))
def test_a_clock_runs_by_the_factors_and_never_back(begin: int, days: int):
    ahead = np.arange(days + 1, dtype=np.float64)
    pairs = pair(ICE, begin - 20, now=begin)
    told, by_clock = season().clock(begin, ahead)(pairs)
    steps = np.diff(by_clock[0])
    assert (steps > 0).all()
    factors = [season().factor(ICE, begin + on) for on in range(days + 1)]
    # Months are of 28 to 31 days, and the clock gains as much in each.
    np.testing.assert_allclose(steps, (np.array(factors)[:-1] + factors[1:]) / 2.0, atol=0.15)
    assert told.age[0] == told.elapsed[0] > 0


def test_a_year_by_the_clock_is_a_year():
    for begin in (day(2023, 3, 1), day(2024, 2, 29), day(2024, 7, 15)):
        _, by_clock = season().clock(begin, np.array([0.0, 365.0, 366.0]))(pair(SOUP, begin - 9, now=begin))
        assert by_clock[0, 0] == 0.0
        year = 365 if position(np.array([begin + 365.0])) == position(np.array([float(begin)])) else None
        assert by_clock[0, 1] == pytest.approx(365.0, abs=1e-6 if year else 2.5)


def test_what_has_no_season_is_as_without():
    now = day(2025, 6, 1)
    pairs = pair(FLAT, *range(now - 300, now - 5, 21), now=now)
    for with_, without in zip(asked(pairs, now), asked(pairs, None), strict=True):
        np.testing.assert_array_equal(with_, without)


def test_hazards_go_with_the_factor_of_the_day_ahead():
    theta = np.zeros(DIMENSIONS)
    theta[0] = np.log(0.02)
    now = day(2025, 7, 1)
    chances, moments = asked(pair(ICE, now - 365, now=now), now, theta)
    mean = np.mean([season().factor(ICE, now + on) for on in range(30)])
    assert -np.log1p(-chances[0, 3]) == pytest.approx(0.02 * 30 * mean, rel=0.02)
    plain = -np.log1p(-np.array(SHARES)) / 0.02
    assert (moments[0, :2] < plain[:2]).all()


def test_a_past_in_high_season_is_not_counted_twice():
    """All of the pair's life lies in high season: its own gaps say how soon it is needed in it."""
    now = day(2025, 7, 20)
    pairs = pair(ICE, *range(now - 34, now - 5, 7), now=now)
    with_, without = asked(pairs, now)[0], asked(pairs, None)[0]
    np.testing.assert_allclose(with_, without, atol=0.12)


def test_what_was_bought_in_low_season_is_expected_sooner_and_the_other_way_round():
    low, high = day(2025, 4, 10), day(2025, 10, 10)
    for now, sign in ((low, 1), (high, -1)):
        pairs = pair(ICE, *range(now - 160, now - 5, 22), now=now)
        (chances, moments), (plain, dates) = asked(pairs, now), asked(pairs, None)
        assert (sign * (chances - plain)[0, 1:] > 0.01).all()
        assert (sign * (dates - moments)[0, :2] > 0).all()  # the last may lie beyond the season
        assert (np.diff(chances) > 0).all()
        assert (np.diff(moments) > 0).all()


def test_the_model_reads_it_from_a_bundles_arrays_and_does_without():
    now = day(2025, 4, 10)
    h = make_histories([(on, item) for item in range(4) for on in range(now - 160, now - 5, 22)])
    arrays = {"hazard": START, "appeals": np.zeros(4)}
    plain = IntervalModel.from_arrays(arrays, CATALOGUE)
    assert plain.season is None
    seasonal = IntervalModel.from_arrays(arrays | {"season": season().factors}, CATALOGUE)
    needs, others = (model.needs(h, now * SECONDS_PER_DAY) for model in (seasonal, plain))
    gained = needs.chances[:, 3] - others.chances[:, 3]
    assert gained[FLAT] == 0.0
    assert gained[ICE] > 0.02
    assert gained[SOUP] < -0.02
    assert needs.expected[ICE] < others.expected[ICE]
    even = IntervalModel.from_arrays(arrays | {"season": np.ones((3, MONTHS))}, CATALOGUE)
    np.testing.assert_array_equal(even.needs(h, now * SECONDS_PER_DAY).chances, others.chances)


def test_far_days_are_defined():
    for first, now in ((-(2**24), 20_000), (20_000, 2_900_000)):
        chances, moments = asked(pair(ICE, first, 20_000, now=max(now, 20_000)), max(now, 20_000))
        assert np.isfinite(chances).all()
        assert np.isfinite(moments).all()


def test_high_months_are_told():
    assert season().words(ICE, day(2025, 7, 1)) == "usually bought more in July"
    assert season().words(ICE, day(2025, 1, 1)) is None
    assert season().words(FLAT, day(2025, 7, 1)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        np.ones((3, 11)),
        np.ones(12),
        np.full((3, 12), np.nan),
        np.full((3, 12), 2.0),
        np.tile([0.0, 2.0], (3, 6)),
        np.ones((4, 12)),
    ],
)
def test_factors_that_are_none_are_refused(wrong: np.ndarray):
    arrays = {"hazard": START, "appeals": np.zeros(4), "season": wrong}
    with pytest.raises(BundleError, match="season"):
        IntervalModel.from_arrays(arrays, CATALOGUE)
