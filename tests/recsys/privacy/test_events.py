from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import PlanError
from recsys.privacy.charge import Charge
from recsys.privacy.events import PrivacyEvent
from tests.recsys.privacy.builders import make_charge

any_float = st.floats(allow_nan=True, allow_infinity=True)


@given(noise=any_float, rate=any_float)
def test_an_event_is_either_valid_or_refused(noise: float, rate: float) -> None:
    valid = 1e-9 <= noise <= 1e9 and 0 < rate <= 1
    if valid:
        assert math.isfinite(PrivacyEvent(noise, rate).noise_multiplier)
    else:
        with pytest.raises(PlanError):
            PrivacyEvent(noise, rate)


@given(st.one_of(any_float, st.integers(max_value=0), st.booleans(), st.text(), st.none()))
def test_steps_are_whole_and_positive(steps: object) -> None:
    with pytest.raises(PlanError, match="steps"):
        PrivacyEvent(1.0, 0.5, steps)  # type: ignore[arg-type]


def test_numpy_numbers_become_plain_ones() -> None:
    event = PrivacyEvent(np.float64(2.0), np.float32(0.5), np.int64(3))  # type: ignore[arg-type]
    assert event == PrivacyEvent(2.0, 0.5, 3)
    assert type(event.steps) is int
    assert type(event.sampling_rate) is float


@pytest.mark.parametrize("wrong", ["1.0", True, None, 1 + 0j])
def test_what_is_no_number_is_refused(wrong: object) -> None:
    with pytest.raises(PlanError, match="noise_multiplier"):
        PrivacyEvent(wrong)  # type: ignore[arg-type]


@given(any_float)
def test_a_charge_takes_only_a_real_delta_bound_and_divisor(value: float) -> None:
    def accepted(**change: float) -> bool:
        try:
            return isinstance(make_charge(**change), Charge)
        except PlanError:
            return False

    assert accepted(delta=value) == (1e-300 <= value < 1)
    assert accepted(clip_norm=value) == (1e-9 <= value <= 1e9)
    assert accepted(divisor=value) == (1e-9 <= value <= 1e9)
