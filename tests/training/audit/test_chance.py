"""Figures of noise: what is normal passes them, and each kind of other noise is told from it."""

import numpy as np
import pytest

from training.audit.checks import chance

CERTAIN, USUAL = 1e-10, 1e-6


def normals(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("seed", range(20))
def test_independent_normal_noise_is_nothing_unusual(seed):
    one, other, many = (
        normals(*shape, seed=100 * seed + len(shape) + shape[0]) for shape in ((240,), (1_500,), (12, 400))
    )
    found = [
        chance.of_cosines(one, other[:5]),
        chance.of_cosines(one, other),
        chance.of_matches(one, other),
        chance.of_matches(other),
        chance.of_autocorrelation(many),
        chance.of_variance(many),
        chance.of_mean(many),
        chance.of_squares(np.square(many).sum(axis=0), 12),
        *chance.of_shape(many.ravel()).values(),
    ]
    assert min(found) > USUAL


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("fourth moment", np.random.default_rng(1).laplace(size=4_000) / 2**0.5),
        ("fourth moment", np.random.default_rng(1).uniform(-(3**0.5), 3**0.5, 4_000)),
        ("largest, too small", np.clip(normals(10_000), -3, 3)),
        ("largest, too large", np.append(normals(4_000), 12.0)),
        ("distribution", np.abs(normals(4_000))),
        ("fourth moment", np.zeros(4_000)),
    ],
)
def test_another_shape_is_told(what, values):
    assert chance.of_shape(values)[what] < CERTAIN


@pytest.mark.parametrize("length", [5, 12, 300])
@pytest.mark.parametrize("change", [lambda v: v, lambda v: -2 * v, lambda v: v[::-1]])
def test_a_copy_is_found_wherever_it_lies(length, change):
    one = normals(length)
    other = np.concatenate([normals(40, seed=2), change(one), normals(3, seed=3)])
    assert chance.of_cosines(one, change(one)) < CERTAIN
    if length > 12:
        assert chance.of_cosines(one, other) < CERTAIN


def test_part_of_the_noise_is_found_in_another_release():
    one = normals(2_000)
    assert chance.of_cosines(one, 0.3 * one + normals(2_000, seed=4)) < CERTAIN


def test_shuffled_copies_are_found_by_their_sizes():
    one = normals(240)
    assert chance.of_matches(one, -np.random.default_rng(5).permutation(one)) < CERTAIN
    assert chance.of_matches(np.concatenate([one, one[::-1]])) < CERTAIN


def test_noise_that_is_smoothed_or_mirrored_is_found():
    many = normals(12, 400)
    assert chance.of_autocorrelation(many + np.roll(many, 1, axis=1)) < CERTAIN
    assert chance.of_autocorrelation(np.concatenate([many, -many[:, ::-1]], axis=1)) < CERTAIN


def test_a_coordinate_without_noise_is_found():
    many = normals(12, 400)
    many[:, 7] = 0.0
    assert chance.of_squares(np.square(many).sum(axis=0), 12) < CERTAIN
    assert chance.of_variance(many * 0.8) < CERTAIN
    assert chance.of_mean(many + 0.2) < CERTAIN


STEPS = np.geomspace(0.001, 0.1, 40)


@pytest.mark.parametrize("step", [0.001, 0.02, 0.1])
def test_noise_in_multiples_of_a_step_is_found(step):
    steps = np.append(STEPS, step)
    assert chance.of_phases(np.round(normals(2_000) / step) * step, steps) < CERTAIN
    assert chance.of_phases(normals(2_000), steps) > USUAL


def test_noise_in_multiples_of_a_step_is_found_where_the_grid_is_shifted():
    assert chance.of_phases(np.round(normals(2_000) / 0.02) * 0.02 + 0.007, np.array([0.02])) < CERTAIN


@pytest.mark.parametrize("freedom", [1, 4, 12])
def test_sums_of_squares_that_vary_too_much_or_too_little_are_found(freedom):
    squares = np.square(normals(freedom, 1_000, seed=freedom)).sum(axis=0)
    assert chance.of_spread(squares, freedom) > USUAL
    assert chance.of_spread(np.full(1_000, freedom - 0.5), freedom) < CERTAIN
    uneven = np.concatenate([squares[:500] * 0.3, squares[500:] * 1.7])
    assert chance.of_spread(uneven, freedom) < CERTAIN


def test_one_sum_of_squares_beyond_every_table_is_found():
    assert chance.of_spread(np.append(np.square(normals(12, 99)).sum(axis=0), 1e6), 12) < CERTAIN
