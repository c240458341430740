from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import PlanError
from recsys.privacy import accountant
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan, calibrate
from tests.recsys.privacy.builders import DELTA, make_plan

SHARES = {"popularity": 0.05, "copurchase": 0.2, "intervals": 0.05, "towers": 0.7}
CLIPS = {"popularity": 1.0, "copurchase": 0.5, "intervals": 1.0, "towers": 0.3}
any_float = st.floats(allow_nan=True, allow_infinity=True)


def calibrated(**changes: Any) -> PrivacyPlan:
    fields: dict[str, Any] = {
        "target_epsilon": 4.0,
        "delta": DELTA,
        "max_silos_per_person": 2,
        "registered_customers": {"north": 1000, "south": 3000, "west": 10},
        "shares": SHARES,
        "clip_norms": CLIPS,
        "sampling_rate": 0.05,
        "steps": 60,
    }
    return calibrate(**{**fields, **changes})


def independent_epsilon(plan: PrivacyPlan) -> float:
    """All mechanisms times all silos of a person, composed by the library on its own finer grid."""
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.pld import PLDAccountant

    library = PLDAccountant(value_discretization_interval=min(2e-4, plan.target_epsilon / 2000))
    for release in plan.releases:
        library.compose(GaussianDpEvent(release.noise_multiplier), plan.max_silos_per_person)
    if plan.dpsgd is not None:
        step = PoissonSampledDpEvent(plan.dpsgd.sampling_rate, GaussianDpEvent(plan.dpsgd.noise_multiplier))
        library.compose(step, plan.dpsgd.steps * plan.max_silos_per_person)
    return float(library.get_epsilon(plan.delta))


@pytest.mark.parametrize(
    ("target", "silos", "rate"),
    [(4.0, 2, 0.05), (1.0, 3, 0.2), (16.0, 1, 0.05), (0.05, 2, 0.05), (3.0, 2, 1.0)],
)
def test_the_exact_composition_meets_the_target_and_never_exceeds_it(
    target: float, silos: int, rate: float
) -> None:
    plan = calibrated(target_epsilon=target, max_silos_per_person=silos, sampling_rate=rate)
    assert target * 0.995 <= plan.epsilon() <= target
    assert target * 0.99 <= independent_epsilon(plan) <= target
    assert plan.epsilon() == accountant.person_epsilon({"a": plan.events() * silos}, 1, DELTA)


def test_shares_split_mu_squared() -> None:
    plan = calibrated()
    popularity, copurchase = plan.release("popularity"), plan.release("copurchase")
    assert (popularity.noise_multiplier / copurchase.noise_multiplier) ** 2 == pytest.approx(0.2 / 0.05)
    mus = {name: accountant.clt_mu_squared(event) for name, event in plan.mechanisms().items()}
    assert mus["towers"] / sum(mus.values()) == pytest.approx(0.7)


def test_a_mechanism_without_a_share_is_left_out() -> None:
    plan = calibrated(
        shares={"popularity": 0.5, "copurchase": 0.5, "towers": 0.0}, sampling_rate=float("nan")
    )
    assert [release.name for release in plan.releases] == ["popularity", "copurchase"]
    assert plan.dpsgd is None
    assert not plan.has("towers")
    with pytest.raises(PlanError, match="no release 'intervals'"):
        plan.release("intervals")
    with pytest.raises(PlanError, match="no towers"):
        plan.expected_batch("north")


def test_towers_alone() -> None:
    plan = calibrated(shares={"towers": 1.0})
    assert plan.releases == ()
    assert plan.dpsgd is not None
    assert plan.dpsgd.event(7) == PrivacyEvent(plan.dpsgd.noise_multiplier, 0.05, 7)
    assert plan.dpsgd.noise_std == pytest.approx(0.3 * plan.dpsgd.noise_multiplier)


def test_the_divisor_is_public() -> None:
    plan = make_plan()
    assert plan.expected_batch("south") == 0.05 * 3000
    with pytest.raises(PlanError, match="silo 'east' is not in the plan; it knows north, south"):
        plan.expected_batch("east")


def test_noise_is_scaled_by_the_bound() -> None:
    release = make_plan().release("copurchase")
    assert release.noise_std == 2.0
    assert release.event == PrivacyEvent(4.0, 1.0, 1)


def test_a_plan_reads_back_as_itself() -> None:
    plan = make_plan()
    again = PrivacyPlan.from_json(plan.to_json())
    assert again == plan
    assert again.fingerprint() == plan.fingerprint()
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert len({plan, again}) == 1
    without = make_plan(dpsgd=None)
    assert PrivacyPlan.from_json(without.to_json()) == without


def test_any_change_shows_in_the_fingerprint() -> None:
    plan = make_plan()
    others = [make_plan(delta=1e-7), make_plan(max_silos_per_person=1), make_plan(releases=plan.releases[:2])]
    assert len({plan.fingerprint(), *(other.fingerprint() for other in others)}) == 4


def test_a_plan_cannot_be_changed() -> None:
    plan = make_plan()
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.delta = 1e-3  # type: ignore[misc]
    with pytest.raises(TypeError):
        plan.registered_customers["north"] = 1  # type: ignore[index]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"releases":[{}],"dpsgd":null}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="no privacy plan"):
        PrivacyPlan.from_json(text)


def test_a_tampered_plan_is_refused() -> None:
    fields = json.loads(make_plan().to_json())
    fields["releases"][0]["noise_multiplier"] = -1
    with pytest.raises(PlanError, match="noise_multiplier"):
        PrivacyPlan.from_json(json.dumps(fields))


@given(st.one_of(any_float.filter(lambda x: not 1e-3 <= x <= 100), st.none(), st.text(), st.booleans()))
def test_targets_that_mean_nothing_are_refused(target: Any) -> None:
    with pytest.raises(PlanError, match="target_epsilon"):
        calibrated(target_epsilon=target)
    with pytest.raises(PlanError, match="target_epsilon"):
        make_plan(target_epsilon=target)


@given(any_float.filter(lambda x: not 1e-300 <= x < 1))
def test_deltas_that_are_no_probability_are_refused(delta: float) -> None:
    with pytest.raises(PlanError, match="delta"):
        calibrated(delta=delta)


@given(any_float.filter(lambda x: not 0 < x <= 1))
def test_rates_that_are_no_probability_are_refused(rate: float) -> None:
    with pytest.raises(PlanError, match="sampling_rate"):
        calibrated(sampling_rate=rate)


@given(any_float.filter(lambda x: not 0 <= x <= 1))
def test_shares_that_are_no_part_are_refused(share: float) -> None:
    with pytest.raises(PlanError, match="shares"):
        calibrated(shares={"popularity": share, "towers": 1.0})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shares": {"popularity": 0.5, "towers": 0.6}}, "sum to 1.1"),
        ({"shares": {"popularity": 0.5, "towres": 0.5}}, "unknown mechanism 'towres'"),
        ({"shares": {"popularity": True}}, "shares"),
        ({"shares": {}}, "sum to 0"),
        ({"clip_norms": {"towers": 0.3}}, "none for 'copurchase'"),
        ({"clip_norms": {**CLIPS, "towers": float("inf")}}, "clip_norm"),
        ({"steps": 0}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"max_silos_per_person": 4}, "only 3 are registered"),
        ({"max_silos_per_person": 0}, "max_silos_per_person"),
        ({"registered_customers": {}}, "empty"),
        (
            {"registered_customers": {"north": 0}, "max_silos_per_person": 1},
            "registered_customers of 'north'",
        ),
        ({"registered_customers": {"north": 10**6}, "max_silos_per_person": 1}, "not below 1 / 1000000"),
    ],
)
def test_contradictions_are_refused_with_what_to_do(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        calibrated(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"releases": (), "dpsgd": None}, "no mechanism"),
        ({"releases": (ReleasePlan("popularity", 1, 1), ReleasePlan("popularity", 1, 2))}, "repeat"),
        ({"unit": "event"}, "unit"),
        ({"relation": "replace-one"}, "relation"),
    ],
)
def test_a_plan_promises_one_thing_once(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(**changes)


def test_unknown_releases_are_refused() -> None:
    with pytest.raises(PlanError, match="'sales' is unknown"):
        ReleasePlan("sales", 1.0, 1.0)
    with pytest.raises(PlanError, match="clip_norm"):
        DpSgdPlan(clip_norm=0.0, noise_multiplier=1.0, sampling_rate=0.1, steps=1)


def test_a_noised_sum_of_many_rounds_costs_what_its_rounds_cost():
    shares, rounds = {"popularity": 0.2, "rhythm": 0.8}, {"rhythm": 12}
    options = {"target_epsilon": 1.0, "max_silos_per_person": 1, "registered_customers": {"a": 5000}}
    plan = calibrate(**options, shares=shares, clip_norms=dict.fromkeys(shares, 1.0), rounds=rounds)
    once = calibrate(**options, shares=shares, clip_norms=dict.fromkeys(shares, 1.0))
    rhythm = plan.release("rhythm")
    assert rhythm.event == PrivacyEvent(rhythm.noise_multiplier, steps=12)
    assert rhythm.noise_multiplier == pytest.approx(
        once.release("rhythm").noise_multiplier * 12**0.5, rel=0.01
    )
    apart = [plan.release("popularity").event, *[rhythm.part(1)] * 12]
    assert accountant.epsilon(apart, plan.delta) == pytest.approx(plan.epsilon(), rel=1e-3)
    assert 0.995 <= plan.epsilon() <= 1.0
    assert PrivacyPlan.from_json(plan.to_json()) == plan
    assert '"rounds":12' in plan.to_json()
    assert "rounds" not in once.to_json(), "plans from before there were rounds keep their fingerprints"


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True])
def test_rounds_are_a_whole_number(rounds: object):
    with pytest.raises(PlanError, match="rounds"):
        ReleasePlan("rhythm", 1.0, 4.0, rounds)
