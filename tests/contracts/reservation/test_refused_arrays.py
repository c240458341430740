"""Arrays that do not fit are refused alike with and without customers: a status is no channel."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from recsys.errors import PlanError, TrainingError
from recsys.privacy.plan import PrivacyPlan, ReleasePlan
from tests.contracts.reservation.stages import SETTINGS
from training.messages import Request
from training.node import Node
from training.sections import HeadSettings, PopularitySettings

MISFITS = {
    "short": lambda array: array[:-1],
    "far too short": lambda array: array[:3],
    "a table": lambda array: array[:, None],
    "not a number": lambda array: np.where(np.arange(len(array)) == 2, np.nan, array),
    "without end": lambda array: np.where(np.arange(len(array)) == 2, -np.inf, array),
    "whole numbers": lambda array: np.ones(len(array), np.int64),
    "complex": lambda array: array.astype(np.complex128),
}


@pytest.mark.parametrize("misfit", MISFITS)
@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("copurchase", "popularity"),
        ("followups", "popularity"),
        ("demand", "popularity"),
        ("rhythm", "popularity"),
        ("rhythm", "usual"),
        ("rhythm", "parameters"),
        ("towers", "popularity"),
        ("towers", "parameters"),
    ],
)
def test_misfits_are_refused_before_data_can_stumble_over_them(
    node: Node, request_of, stage: str, name: str, misfit: str
) -> None:
    """With and without customers the same answer, and nothing charged: a status is no channel."""
    nobody = SETTINGS.model_copy(update={"until": datetime(2000, 1, 1, tzinfo=UTC)})
    said, before = set(), node.ledger().events()
    for settings in (SETTINGS, nobody):
        request = request_of(stage, run_id=f"{stage}/{name}/{misfit}", settings=settings.model_dump_json())
        arrays = {**request.arrays, name: MISFITS[misfit](request.arrays[name])}
        with pytest.raises(PlanError) as refused:
            node.release(Request(request.fields, arrays))
        said.add(str(refused.value))
    assert len(said) == 1
    assert f"'{name}'" in said.pop()
    assert node.ledger().events() == before


@pytest.mark.parametrize("misfit", MISFITS)
def test_the_head_is_told_by_shares_as_well(node: Node, plan: PrivacyPlan, request_of, misfit: str) -> None:
    twice = replace(plan, releases=(ReleasePlan("popularity", 1.0, 30.0, rounds=2),))
    settings = SETTINGS.model_copy(update={"popularity": PopularitySettings(head=HeadSettings(items=9))})
    fields = {"plan": twice.to_json(), "fingerprint": twice.fingerprint(), "round": 1}
    request = request_of("popularity", run_id="head", settings=settings.model_dump_json(), **fields)
    before = node.ledger().events()
    told = {"popularity": MISFITS[misfit](request.arrays["popularity"])}
    with pytest.raises(PlanError, match="'popularity'"):
        node.release(Request(request.fields, told))
    with pytest.raises(TrainingError, match="lacks the array 'popularity'"):
        node.release(Request(request.fields, {}))
    assert node.ledger().events() == before


@pytest.mark.parametrize("value", [0.0, -1e300, 1.5])
def test_popularities_are_shares(node: Node, request_of, value: float) -> None:
    request = request_of("copurchase", run_id=f"shares {value}")
    arrays = {**request.arrays, "popularity": np.full(len(node.catalogue), value)}
    with pytest.raises(PlanError, match="'popularity' has values"):
        node.release(Request(request.fields, arrays))


def test_a_missing_array_is_named_and_charges_nothing(node: Node, request_of) -> None:
    before = node.ledger().events()
    request = request_of("rhythm", run_id="missing")
    arrays = {key: array for key, array in request.arrays.items() if key != "usual"}
    with pytest.raises(TrainingError, match="lacks the array 'usual'"):
        node.release(Request(request.fields, arrays))
    assert node.ledger().events() == before
