"""A silo keeps to its own limits whatever it is asked: what is beyond them is neither learned nor charged."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, PlanError
from recsys.privacy.plan import PrivacyPlan, ReleasePlan
from tests.contracts.reservation.stages import SETTINGS, SUMS
from training import exact, scopes
from training.loading import TrainingData
from training.messages import Request
from training.node import Node


@pytest.mark.parametrize("stage", SUMS)
def test_noise_for_a_smaller_bound_than_the_models_is_refused(
    node: Node, plan: PrivacyPlan, request_of, stage: str
) -> None:
    weaker = tuple(ReleasePlan(r.name, 0.5 * r.clip_norm, r.noise_multiplier) for r in plan.releases)
    other = replace(plan, releases=weaker)
    request = request_of(stage, run_id="weak", plan=other.to_json(), fingerprint=other.fingerprint())
    with pytest.raises(PlanError, match=r"norm 0\.5"):
        node.release(request)


@pytest.mark.parametrize("stage", ["rhythm", "season", "demand"])
def test_without_a_moment_up_to_which_data_are_complete_nothing_is_charged(
    node: Node, request_of, stage: str
) -> None:
    before = node.ledger().events()
    settings = SETTINGS.model_copy(update={"known_until": None}).model_dump_json()
    with pytest.raises(PlanError, match=r"set 'until' or 'rhythm\.as_of'"):
        node.release(request_of(stage, run_id="no end", settings=settings))
    assert node.ledger().events() == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target_epsilon": 50.0}, "epsilon_cap"),
        ({"delta": 1e-4}, "above the silo's delta"),
        ({"max_silos_per_person": 1}, "max_silos_per_person"),
        ({"registered_customers": {"northmarket": 200_000, "other": 5}}, "registered_customers"),
        ({"target_epsilon": 0.1}, "epsilon of its events is above its target"),
    ],
)
def test_a_silo_refuses_plans_outside_its_own_limits(
    node: Node, plan: PrivacyPlan, request_of, change, told
) -> None:
    other = replace(plan, **change)
    request = request_of("popularity", plan=other.to_json(), fingerprint=other.fingerprint())
    with pytest.raises(PlanError, match=told):
        node.release(request)


def test_a_plan_must_have_the_fingerprint_it_came_with(node: Node, request_of) -> None:
    with pytest.raises(PlanError, match="fingerprint"):
        node.release(request_of("popularity", fingerprint="0" * 64))


def test_another_catalogue_is_refused(node: Node, request_of) -> None:
    assert isinstance(node.catalogue, Catalogue)
    with pytest.raises(Exception, match="another catalogue"):
        node.release(request_of("popularity", catalogue="0" * 64))


@pytest.mark.parametrize("units", [1e-170, 1e308])
def test_bounds_that_bound_nothing_are_refused_before_anything_is_charged(
    node: Node, request_of, units: float
) -> None:
    """Squares of such numbers are 0 or infinite: norms taken of them clip nobody, or show who is there."""
    before = node.ledger().events()
    names = ("max_units", "items", "groups", "areas", "level", "spread")
    demand = SETTINGS.demand.model_copy(update=dict.fromkeys(names, units))
    settings = SETTINGS.model_copy(update={"demand": demand}).model_dump_json()
    with pytest.raises(ValidationError, match=r"demand\.max_units"):
        node.release(request_of("demand", run_id=f"units {units}", settings=settings))
    assert node.ledger().events() == before


def test_a_silo_keeps_the_follow_ups_of_hidden_categories_to_itself(
    node: Node, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = np.full(len(node.catalogue), 1 / len(node.catalogue))
    whole = exact.followup_cells(data, SETTINGS, published)
    names = scopes.category_scope(node.catalogue, published, SETTINGS.followups).names
    busiest = int(np.abs(whole).sum(axis=(1, 2)).argmax())
    hidden = exact.followup_cells(replace(data, hidden=(names[busiest],)), SETTINGS, published)
    assert whole[busiest].any()
    assert hidden.shape == whole.shape
    assert not hidden[busiest].any()
    assert not hidden[:, busiest].any()
    config = node.config.model_copy(update={"followups_exclude": (names[busiest],)})
    monkeypatch.setattr(node, "config", config)
    monkeypatch.setattr(node, "_loaded", None)
    request = Request({"run_id": "hidden"}, {})
    assert node._data(request, SETTINGS)[0].hidden == (names[busiest],)


def test_a_misspelt_exclusion_is_refused_before_anything_is_learned_or_charged(
    node: Node, request_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = node.ledger().events()
    config = node.config.model_copy(update={"followups_exclude": ("helth",)})
    monkeypatch.setattr(node, "config", config)
    with pytest.raises(ConfigError, match="followups_exclude names 'helth'"):
        node.release(request_of("followups", run_id="misspelt"))
    assert node.ledger().events() == before


def test_areas_without_a_place_are_refused_before_anything_is_charged(node: Node, request_of) -> None:
    before = node.ledger().events()
    demand = SETTINGS.demand.model_copy(update={"max_areas": 0})
    settings = SETTINGS.model_copy(update={"demand": demand}).model_dump_json()
    with pytest.raises(PlanError, match="store areas, places for 0"):
        node.release(request_of("demand", run_id="areas", settings=settings))
    assert node.ledger().events() == before
