from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.history import Histories
from recsys.models import rhythm
from recsys.models.hazard import DIMENSIONS, LEAST_LOG
from recsys.models.rhythm import CLIP_NORM, LENGTH, Examples, Public, Rows, contribution
from recsys.models.rhythm_start import START
from tests.recsys.histories_builder import Row, make_histories, random_histories

N_ITEMS, END = 8, 200
PUBLIC = Public(np.full(N_ITEMS, np.log(20.0)), np.linspace(-1, 2, N_ITEMS), np.ones(N_ITEMS, bool), END)
STILL = np.zeros(DIMENSIONS)

rows = st.tuples(st.integers(-10, END + 50), st.integers(0, N_ITEMS - 1))
customers = st.lists(st.lists(rows, max_size=30), max_size=5)
anywhere = st.lists(st.floats(-1e4, 1e4), min_size=DIMENSIONS, max_size=DIMENSIONS).map(np.array)
harmful = st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -5.0, 0.0, 1e-30, 1.0])


@given(customers, anywhere, harmful)
def test_one_customer_moves_the_sum_by_the_bound_at_most(
    told: list[list[Row]], moved: np.ndarray, units: float
):
    h = make_histories(*told)
    h = replace(h, quantities=np.full(len(h.items), units, np.float32))
    whole = contribution(h, PUBLIC, moved)
    assert whole.shape == (LENGTH,)
    for gone in range(len(h)):
        rest = contribution(h.select(np.delete(np.arange(len(h)), gone)), PUBLIC, moved)
        assert np.linalg.norm(whole - rest) <= CLIP_NORM


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
def test_harmful_places_give_nothing_or_what_is_bounded(wrong: float):
    h = random_histories(6, 40, N_ITEMS, days=END)
    found = contribution(h, PUBLIC, np.full(DIMENSIONS, wrong))
    assert np.isfinite(found).all()
    assert np.linalg.norm(found) <= CLIP_NORM * len(h)


def test_a_whale_counts_like_anybody():
    whale = [(day, item) for day in range(END) for item in range(N_ITEMS)]
    level = np.linalg.solve(rhythm.WHITEN, -6.0 * (np.arange(DIMENSIONS) == 0))
    found = np.linalg.norm(contribution(make_histories(whale), PUBLIC, level))
    assert found == pytest.approx(CLIP_NORM, rel=1e-5)
    assert found <= CLIP_NORM


def test_gradients_are_those_of_the_likelihood():
    made = Rows.of(random_histories(5, 60, N_ITEMS, seed=3, days=END), PUBLIC)
    r = np.random.default_rng(0)

    def likelihood(moved: np.ndarray) -> float:
        expected = np.exp(np.maximum(made.base + made.features @ moved, LEAST_LOG).astype(np.float64))
        each = np.where(made.bought, np.log(-np.expm1(-expected)), -expected)
        return float((each * made.weights).sum())

    moved, step = r.normal(0, 0.1, DIMENSIONS), r.normal(0, 1e-4, DIMENSIONS)
    slope = made.gradients(moved).sum(axis=0)[:DIMENSIONS] @ step
    assert (likelihood(moved + step) - likelihood(moved - step)) / 2 == pytest.approx(slope, rel=1e-3)


def test_the_future_of_a_look_is_not_among_what_is_known():
    past = [(10 * i, 0) for i in range(18)]
    one, other = (Rows.of(make_histories([*past, later]), PUBLIC) for later in ((END - 5, 0), (END - 12, 0)))
    np.testing.assert_array_equal(one.features[0], other.features[0])
    assert (bool(one.bought[0]), bool(other.bought[0])) == (False, True)
    unknown = Rows.of(make_histories([*past, (END, 0), (END + 3, 0)]), PUBLIC)
    np.testing.assert_array_equal(unknown.bought, Rows.of(make_histories(past), PUBLIC).bought)


def test_parts_that_are_kept_or_not_give_the_same_sum(monkeypatch: pytest.MonkeyPatch):
    h = random_histories(30, 60, N_ITEMS, days=END)
    whole = contribution(h, PUBLIC, STILL)
    monkeypatch.setattr(rhythm, "CUSTOMERS_AT_ONCE", 7)
    for room in (10**9, 800, 0):
        monkeypatch.setattr(rhythm, "ROWS_KEPT", room)
        examples = Examples(h, PUBLIC)
        for _ in range(2):
            np.testing.assert_allclose(examples.contribution(STILL), whole, rtol=1e-9)


def steady(n: int, gap: int, seed: int = 0) -> Histories:
    r = np.random.default_rng(seed)
    return make_histories(
        *([(int(day), i % N_ITEMS) for day in range(int(r.integers(0, gap)), END, gap)] for i in range(n))
    )


def learn(h: Histories, std: float, rounds: int = 12) -> np.ndarray:
    r, sums = np.random.default_rng(1), list[np.ndarray]()
    for _ in range(rounds):
        moved = rhythm.moved_by(sums, [std] * len(sums), rounds)
        sums.append(contribution(h, PUBLIC, moved) + r.normal(0, std, LENGTH))
    return rhythm.published(sums, [std] * rounds, rounds)


def test_rounds_raise_the_likelihood_and_much_noise_changes_little():
    h = steady(150, 11)
    made = Rows.of(h, PUBLIC)

    def likelihood(theta: np.ndarray) -> float:
        moved = np.linalg.solve(rhythm.WHITEN, theta - START)
        expected = np.exp(np.maximum(made.base + made.features @ moved, LEAST_LOG).astype(np.float64))
        return float((np.where(made.bought, np.log(-np.expm1(-expected)), -expected) * made.weights).sum())

    exact, noisy = learn(h, 1e-9), learn(h, 500.0)
    assert likelihood(exact) > likelihood(START) + 10
    assert np.linalg.norm(np.linalg.solve(rhythm.WHITEN, noisy - START)) < 0.5


def test_without_rounds_or_customers_the_start_is_published():
    np.testing.assert_array_equal(rhythm.published([], [], 5), START)
    np.testing.assert_array_equal(contribution(make_histories(), PUBLIC, STILL), np.zeros(LENGTH))


def test_no_parameters_make_rounding_tell_who_is_there():
    """Far parameters at right angles to what many customers share leave rounding alone to decide."""
    r = np.random.default_rng(5)
    alike = sorted(
        (int(day), int(item)) for day, item in zip(r.integers(0, 250, 25), r.integers(0, 8, 25), strict=True)
    )
    other = sorted(
        (int(day), int(item)) for day, item in zip(r.integers(0, 250, 41), r.integers(0, 8, 41), strict=True)
    )
    shared = Rows.of(make_histories(alike), PUBLIC).features.astype(np.float64)
    for others in (5, 6, 7, 8):
        h = make_histories(other, *[alike] * others)
        rest = h.select(np.arange(1, len(h)))
        for _ in range(25):
            towards = shared[r.integers(len(shared))]
            aside = r.normal(size=DIMENSIONS)
            moved = (aside - aside @ towards / (towards @ towards) * towards) * 10.0 ** r.integers(8, 17)
            apart = contribution(h, PUBLIC, moved) - contribution(rest, PUBLIC, moved)
            assert np.linalg.norm(apart) <= CLIP_NORM
