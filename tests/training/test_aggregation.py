import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import TrainingError
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from training.aggregation import add, mean_gradient, public_divisor, total, well_formed

PLAN = PrivacyPlan(
    4.0,
    1e-6,
    2,
    {"a": 1000, "b": 3000},
    (ReleasePlan("popularity", 1.0, 5.0),),
    DpSgdPlan(0.3, 1.0, 0.1, 20),
)


def test_the_noise_of_a_total_grows_with_the_root_of_the_silos() -> None:
    noised = total([np.float32([1, 2])] * 4, PLAN.release("popularity"))
    np.testing.assert_allclose(noised.values, [4, 8])
    assert noised.noise_std == pytest.approx(10)


def test_the_divisor_is_public_and_covers_who_answered() -> None:
    assert public_divisor(PLAN, ["a"]) == pytest.approx(100)
    gradient = mean_gradient({"b": np.float32([2]), "a": np.float32([6])}, PLAN)
    assert gradient.dtype == np.float32
    assert gradient[0] == pytest.approx(8 / 400)


@given(st.permutations(["a", "b"]))
def test_the_order_of_replies_does_not_matter(order: list[str]) -> None:
    sums = {"a": np.float32([1e8, 1]), "b": np.float32([1, 1e-8])}
    first = mean_gradient({name: sums[name] for name in order}, PLAN)
    np.testing.assert_array_equal(first, mean_gradient(sums, PLAN))


def test_nothing_and_unlike_shapes_are_refused() -> None:
    with pytest.raises(TrainingError, match="no silo released 'popularity'"):
        total([], PLAN.release("popularity"))
    with pytest.raises(TrainingError, match="differ in shape"):
        add([np.zeros(2, np.float32), np.zeros(3, np.float32)])


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(3, np.float64),
        np.zeros(2, np.float32),
        np.float32([0, np.nan, 1]),
        np.float32([0, np.inf, 1]),
    ],
)
def test_malformed_sums_are_seen(values: np.ndarray) -> None:
    assert not well_formed(values, 3)
    assert well_formed(np.zeros(3, np.float32), 3)
