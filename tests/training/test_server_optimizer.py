from itertools import pairwise

import numpy as np
import pytest

from recsys.errors import TrainingError
from training.server_optimizer import ServerAdam


def steps(optimizer, gradients, start):
    moved = [start]
    for gradient in gradients:
        moved.append(optimizer.step(moved[-1], gradient))
    return moved


@pytest.fixture
def gradients():
    return np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)


def test_entries_keep_the_proportions_of_the_gradient():
    gradient = np.array([1.0, -2.0, 4.0], np.float32)
    moved = ServerAdam(0.1, 10).step(np.zeros(3, np.float32), gradient)
    # One second moment: per-entry Adam would move all three by the same 0.1.
    np.testing.assert_allclose(moved, -0.1 * gradient / np.sqrt(7.0), rtol=1e-6)


def test_the_scale_of_gradients_does_not_matter(gradients):
    start = np.zeros(5, np.float32)
    small = steps(ServerAdam(0.1, 8), gradients * 1e-4, start)[-1]
    np.testing.assert_allclose(small, steps(ServerAdam(0.1, 8), gradients, start)[-1], rtol=1e-4)


def test_the_learning_rate_stays():
    one = np.ones(4, np.float32)
    moved = steps(ServerAdam(0.1, 4), [one] * 4, np.zeros(4, np.float32))
    changes = [float((before - after)[0]) for before, after in pairwise(moved)]
    np.testing.assert_allclose(changes, [0.1] * 4, rtol=1e-5)


@pytest.mark.parametrize(("planned", "last"), [(8, 4), (7, 4), (1, 1)])
def test_the_last_half_of_the_steps_is_averaged(gradients, planned, last):
    optimizer = ServerAdam(0.1, planned)
    moved = steps(optimizer, gradients[:planned], np.zeros(5, np.float32))
    published = optimizer.average(moved[-1])
    assert published.dtype == np.float32
    np.testing.assert_allclose(published, np.mean(moved[-last:], 0), rtol=1e-5)


def test_before_the_last_half_the_average_is_the_latest(gradients):
    optimizer = ServerAdam(0.1, 8)
    moved = steps(optimizer, gradients[:4], np.zeros(5, np.float32))
    assert np.array_equal(optimizer.average(moved[-1]), moved[-1])


def test_under_noise_the_average_is_closer_to_the_minimum():
    target, random = np.array([0.5, -0.3, 0.1], np.float32), np.random.default_rng(0)
    optimizer, parameters = ServerAdam(0.05, 2000), np.zeros(3, np.float32)
    for _ in range(2000):
        noise = random.normal(size=3).astype(np.float32)
        parameters = optimizer.step(parameters, parameters - target + noise)
    averaged = optimizer.average(parameters)
    np.testing.assert_allclose(averaged, target, atol=0.1)
    assert np.linalg.norm(averaged - target) < np.linalg.norm(parameters - target)


@pytest.mark.parametrize("cut", [0, 3, 6])
def test_a_restored_state_continues_as_if_nothing_had_happened(gradients, cut):
    start = np.zeros(5, np.float32)
    unbroken, first, second = (ServerAdam(0.1, 8) for _ in range(3))
    whole = steps(unbroken, gradients, start)[-1]
    before = steps(first, gradients[:cut], start)
    second.restore({name: values.copy() for name, values in first.state().items()})
    assert np.array_equal(steps(second, gradients[cut:], before[-1])[-1], whole)
    assert np.array_equal(second.average(whole), unbroken.average(whole))


def test_a_gradient_of_zeros_moves_nothing():
    start = np.ones(3, np.float32)
    assert np.array_equal(ServerAdam(0.1, 5).step(start, np.zeros(3, np.float32)), start)


@pytest.mark.parametrize("gradient", [[1.0, 2.0], [1.0, np.nan, 0.0], [np.inf, 0.0, 0.0]])
def test_an_unusable_gradient_is_refused(gradient):
    with pytest.raises(TrainingError, match="wrong shape or not finite"):
        ServerAdam(0.1, 5).step(np.zeros(3, np.float32), np.array(gradient, np.float32))


def test_an_incomplete_checkpoint_is_refused():
    with pytest.raises(TrainingError, match="'second_moment' is missing"):
        ServerAdam(0.1, 5).restore({"momentum": np.zeros(3)})
