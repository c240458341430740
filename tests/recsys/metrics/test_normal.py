import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.metrics.normal import log_upper_tail


@given(st.floats(-8.0, 35.0))
def test_agrees_with_the_error_function(z):
    exact = 0.5 * math.erfc(z / math.sqrt(2.0))
    assert math.isclose(float(np.exp(log_upper_tail(np.array([z]))[0])), exact, rel_tol=2e-7)


def test_far_tails_stay_finite():
    assert np.isfinite(log_upper_tail(np.array([-300.0, 300.0]))).all()
