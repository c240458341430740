"""No stage of a silo releases anything unless its ledger was charged, and no noise is drawn elsewhere."""

import ast
import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import training
from recsys.errors import LedgerError, PlanError
from recsys.models.hazard import DIMENSIONS
from recsys.models.intervals import usual_gaps
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import PrivacyPlan
from tests.contracts.reservation.stages import SETTINGS, STAGES
from training import exact, local
from training.config import TrainingConfig
from training.loading import TrainingData
from training.node import Node
from training.spend import spending


@pytest.mark.parametrize("forged", [None, object(), True])
def test_stage_functions_refuse_anything_but_a_reservation(
    data: TrainingData, plan: PrivacyPlan, node: Node, forged: object
) -> None:
    settings = SETTINGS
    published = np.full(len(node.catalogue), 1 / len(node.catalogue))
    told = exact.RhythmRound(published, usual_gaps({}, node.catalogue), np.zeros(DIMENSIONS))
    calls = [
        lambda: local.popularity_sum(data, plan, settings, forged),
        lambda: local.interval_sum(data, plan, forged),
        lambda: local.copurchase_sum(data, plan, settings, published, forged),
        lambda: local.rhythm_sum(data, plan, settings, told, forged),
        lambda: local.season_sum(data, plan, settings, forged),
        lambda: local.followup_sum(data, plan, settings, published, forged),
        lambda: local.demand_sum(data, plan, settings, published, forged),
        lambda: local.tower_gradient(data, plan, settings, published, np.zeros(1, np.float32), forged),
    ]
    for call in calls:
        with pytest.raises(PlanError, match="without a reservation"):
            call()


def test_a_reservation_under_another_plan_does_not_do(
    node: Node, data: TrainingData, plan: PrivacyPlan, request_of
) -> None:
    other = replace(plan, target_epsilon=5.5)
    charge = node._charge(request_of("popularity"), other, "popularity", "0" * 64)
    with spending(node.ledger(), charge) as reservation, pytest.raises(PlanError, match="under another plan"):
        local.popularity_sum(data, plan, TrainingConfig().silo_settings(ordered=True), reservation)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_in_the_ledger_before_its_noise_exists(
    node: Node, request_of, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import spend

    seen = []

    class Witness(spend.SecureNoise):
        def __init__(self) -> None:
            seen.append(len(node.ledger().open_reservations()))
            super().__init__()

    monkeypatch.setattr(spend, "SecureNoise", Witness)
    before = len(node.ledger().open_reservations())
    answer = node.release(request_of(stage, run_id=f"r-{stage}"))
    assert seen == [before + 1]
    assert answer.released.values.dtype == np.float32


@pytest.mark.parametrize("stage", STAGES)
def test_no_ledger_no_noise(
    node: Node, request_of, stage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from training import spend

    broken = tmp_path / "ledger.sqlite"
    Ledger(broken).set_cap(8.0, 1e-6)

    def refuse(*_: object) -> int:
        raise LedgerError("disk full")

    monkeypatch.setattr(Ledger, "reserve", refuse)
    monkeypatch.setattr(spend, "SecureNoise", lambda: pytest.fail("noise was drawn without a reservation"))
    with pytest.raises(LedgerError, match="disk full"):
        node.release(request_of(stage, run_id=f"x-{stage}"))


def test_noise_is_made_in_spend_alone() -> None:
    root = Path(inspect.getfile(training)).parent
    makers = [
        path.name
        for path in root.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", getattr(call.func, "attr", "")) == "SecureNoise"
    ]
    assert makers == ["spend.py"]
