from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import PlanError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from tests.recsys.privacy.references import closed_form, quadrature

DELTA = 1e-6


@pytest.mark.parametrize("noise", [0.3, 0.7, 1.0, 2.5, 8.0, 40.0])
@pytest.mark.parametrize("delta", [1e-4, 1e-6, 1e-9])
def test_plain_gaussian_is_the_closed_form_and_never_below(noise: float, delta: float) -> None:
    exact = closed_form(noise, delta)
    ours = accountant.epsilon([PrivacyEvent(noise)], delta)
    assert exact.low <= ours <= exact.high * 1.002


def test_gaussians_compose_like_one() -> None:
    exact = closed_form(1 / math.sqrt(3 / 4 + 5 / 9), DELTA)
    ours = accountant.epsilon([PrivacyEvent(2.0, 1.0, 3), PrivacyEvent(3.0, 1.0, 5)], DELTA)
    assert exact.low <= ours <= exact.high * 1.001


@pytest.mark.parametrize(("noise", "rate"), [(0.5, 0.1), (1.0, 0.05), (0.8, 0.5), (2.0, 0.9), (0.6, 0.01)])
def test_one_sampled_step_is_the_integral_and_never_below(noise: float, rate: float) -> None:
    exact = quadrature(noise, rate, DELTA)
    ours = accountant.epsilon([PrivacyEvent(noise, rate)], DELTA)
    assert exact.low <= ours <= exact.high * 1.001


events = st.lists(
    st.builds(
        PrivacyEvent,
        st.floats(0.6, 20.0),
        st.one_of(st.just(1.0), st.floats(0.01, 0.5)),
        st.integers(1, 50),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=10, deadline=None)
@given(events)
def test_the_fast_bound_is_never_below_the_tight_one(composed: list[PrivacyEvent]) -> None:
    tight = accountant.epsilon(composed, DELTA)
    assert 0 <= tight <= accountant.rdp_epsilon(composed, DELTA)
    assert accountant.within(composed, tight, DELTA)


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.0, 0.05, 60), (4.0, 0.2, 100), (2.0, 1.0, 3)])
def test_the_fast_bound_is_the_librarys(noise: float, rate: float, steps: int) -> None:
    import dp_accounting
    from dp_accounting.rdp import RdpAccountant

    library = RdpAccountant()
    library.compose(dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), steps)
    ours = accountant.rdp_epsilon([PrivacyEvent(noise, rate, steps)], DELTA)
    assert ours == pytest.approx(library.get_epsilon(DELTA), rel=0.01)


def test_epsilon_grows_with_steps_rate_and_less_noise() -> None:
    base = accountant.epsilon([PrivacyEvent(1.0, 0.05, 60)], DELTA)
    assert base < accountant.epsilon([PrivacyEvent(1.0, 0.05, 80)], DELTA)
    assert base < accountant.epsilon([PrivacyEvent(1.0, 0.07, 60)], DELTA)
    assert base < accountant.epsilon([PrivacyEvent(0.9, 0.05, 60)], DELTA)
    assert base < accountant.epsilon([PrivacyEvent(1.0, 0.05, 60)], DELTA / 10)


def test_events_are_a_multiset() -> None:
    one, other = PrivacyEvent(2.0, 0.1, 5), PrivacyEvent(3.0)
    assert accountant.canonical([one, other, one]) == accountant.canonical({other: 1, one: 2})
    assert accountant.canonical([one, one]) == (PrivacyEvent(2.0, 0.1, 10),)
    assert accountant.epsilon([], DELTA) == 0.0
    with pytest.raises(PlanError, match="repetitions"):
        accountant.canonical({one: 0})


def test_equal_multisets_are_composed_once() -> None:
    composed = [PrivacyEvent(1.7, 0.1, 7), PrivacyEvent(2.9)]
    first = accountant.epsilon(composed, DELTA)
    hits = accountant._epsilon.cache_info().hits
    assert accountant.epsilon(reversed(composed), DELTA) == first
    assert accountant._epsilon.cache_info().hits == hits + 1


def test_a_part_of_what_is_known_to_fit_needs_no_slow_accountant(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [PrivacyEvent(1.03, 0.05, 60), PrivacyEvent(6.0), PrivacyEvent(6.0)]
    cap = accountant.epsilon(whole, DELTA)
    monkeypatch.setattr(accountant, "_pld_epsilon", lambda *_: pytest.fail("the slow accountant was asked"))
    assert accountant.rdp_epsilon([PrivacyEvent(1.03, 0.05, 59), PrivacyEvent(6.0)], DELTA) > cap
    assert accountant.within([PrivacyEvent(1.03, 0.05, 59), PrivacyEvent(6.0)], cap, DELTA)


@pytest.mark.parametrize(
    "part",
    [
        [PrivacyEvent(1.03, 0.05, 200), PrivacyEvent(6.0)],
        [PrivacyEvent(1.03, 0.05, 60), PrivacyEvent(0.5)],
        [PrivacyEvent(0.5, 0.05, 60)],
    ],
)
def test_what_is_no_part_of_it_is_not_taken_for_one(part: list[PrivacyEvent]) -> None:
    cap = accountant.epsilon([PrivacyEvent(1.03, 0.05, 60), PrivacyEvent(6.0)], DELTA)
    assert not accountant.within(part, cap, DELTA)


def test_a_person_is_as_exposed_as_the_worst_choice_of_silos() -> None:
    little, much, most = [PrivacyEvent(9.0)], [PrivacyEvent(3.0)], [PrivacyEvent(2.0)]
    by_silo = {"a": little, "b": much, "c": most}
    assert accountant.person_epsilon(by_silo, 1, DELTA) == accountant.epsilon(most, DELTA)
    assert accountant.person_epsilon(by_silo, 2, DELTA) == accountant.epsilon([*much, *most], DELTA)
    everything = accountant.epsilon([*little, *much, *most], DELTA)
    assert accountant.person_epsilon(by_silo, 3, DELTA) == everything
    assert accountant.person_epsilon(by_silo, 7, DELTA) == everything
    assert accountant.person_epsilon({}, 2, DELTA) == 0.0


def test_too_many_choices_compose_everything() -> None:
    by_silo = {f"s{k:02}": [PrivacyEvent(20.0)] for k in range(20)}
    all_twenty = accountant.epsilon([PrivacyEvent(20.0, 1.0, 20)], DELTA)
    assert accountant.person_epsilon(by_silo, 10, DELTA) == pytest.approx(all_twenty)
    ten = accountant.epsilon([PrivacyEvent(20.0, 1.0, 2)], DELTA)
    assert accountant.person_epsilon(by_silo, 2, DELTA) == pytest.approx(ten)


@pytest.mark.parametrize(
    "event",
    [
        PrivacyEvent(1e-9),
        PrivacyEvent(1e9),
        PrivacyEvent(1e-9, 0.5, 2),
        PrivacyEvent(1.0, 1e-12),
        PrivacyEvent(0.2, 0.05, 60),
        PrivacyEvent(1e9, 1e-300, 2**52),
    ],
)
def test_extreme_events_give_a_bound_not_a_failure(event: PrivacyEvent) -> None:
    value = accountant.epsilon([event], DELTA)
    assert value >= 0
    assert not math.isnan(value)
    assert value <= accountant.rdp_epsilon([event], DELTA)


@pytest.mark.parametrize("event", [PrivacyEvent(0.3, 0.05, 100), PrivacyEvent(1.0, 1e-3, 200_000)])
def test_a_large_bound_or_many_steps_are_no_reason_to_give_the_loose_one(event: PrivacyEvent) -> None:
    assert accountant.epsilon([event], DELTA) < 0.95 * accountant.rdp_epsilon([event], DELTA)


def test_a_failing_accountant_never_shows_as_a_small_number(monkeypatch: pytest.MonkeyPatch) -> None:
    event, other = PrivacyEvent(1.234, 0.321, 5), PrivacyEvent(1.235, 0.321, 5)
    monkeypatch.setattr(accountant, "_pld_epsilon", lambda *_: float("nan"))
    assert accountant.epsilon([event], DELTA) == accountant.rdp_epsilon([event], DELTA)
    monkeypatch.setattr(accountant, "_pld_epsilon", lambda *_: math.log(-1.0))
    assert accountant.epsilon([other], DELTA) == accountant.rdp_epsilon([other], DELTA)


@given(st.floats(allow_nan=True, allow_infinity=True).filter(lambda d: not 1e-300 <= d < 1))
def test_delta_must_be_a_probability(delta: float) -> None:
    for account in (accountant.epsilon, accountant.rdp_epsilon):
        with pytest.raises(PlanError, match="delta"):
            account([PrivacyEvent(1.0)], delta)


def test_the_split_rule_tends_to_the_truth_for_many_small_steps() -> None:
    event = PrivacyEvent(2.0, 0.01, 20_000)
    mu = math.sqrt(accountant.clt_mu_squared(event))
    assert closed_form(1 / mu, DELTA).low == pytest.approx(accountant.epsilon([event], DELTA), rel=0.05)
    assert np.isfinite(accountant.clt_mu_squared(PrivacyEvent(1e-9, 0.5)))
