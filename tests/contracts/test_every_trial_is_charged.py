"""Tuning on customers' data is spending: ten trials are ten charges, composed (Papernot & Steinke 2022)."""

from pathlib import Path

import numpy as np
import pytest

from recsys.errors import BudgetExceededError
from recsys.privacy import accountant
from recsys.privacy.plan import PrivacyPlan, ReleasePlan
from recsys.silos.config import FederationConfig
from training.config import TrainingConfig
from training.messages import Request
from training.node import Node
from training.sections import PopularitySettings

TRIALS = 10


@pytest.fixture
def node(world: Path) -> Node:
    federation = FederationConfig.load(world / "federation.toml")
    return Node(federation.silo_configs()[0], federation)


def trial(node: Node, plan: PrivacyPlan, number: int) -> Request:
    """One setting of a sweep over how many items of a customer count."""
    config = TrainingConfig(popularity=PopularitySettings(max_items=number + 1))
    fields = {
        "stage": "train.popularity",
        "round": 0,
        "run_id": f"trial-{number}",
        "attempt": 1,
        "catalogue": node.catalogue.hash,
        "requester": "sweep",
        "approver": "",
        "plan": plan.to_json(),
        "fingerprint": plan.fingerprint(),
        "settings": config.silo_settings(ordered=True).model_dump_json(),
    }
    return Request(fields)


def plan_of(node: Node, noise: float) -> PrivacyPlan:
    registered = {silo.name: silo.registered_customers for silo in node._federation.silo_configs()}
    return PrivacyPlan(6.0, 1e-6, 2, registered, (ReleasePlan("popularity", 1.0, noise),), None)


def test_ten_trials_are_ten_charges(node: Node) -> None:
    plan = plan_of(node, 20.0)
    sums = [node.release(trial(node, plan, number)).released.values for number in range(TRIALS)]
    ledger = node.ledger()
    assert ledger.events() == plan.events() * TRIALS
    assert ledger.epsilon(1e-6) == pytest.approx(accountant.epsilon(plan.events() * TRIALS, 1e-6))
    assert ledger.epsilon(1e-6) > 2.5 * accountant.epsilon(plan.events(), 1e-6)
    assert len({values.tobytes() for values in sums}) == TRIALS
    assert all(np.isfinite(values).all() for values in sums)


def test_a_sweep_ends_where_the_budget_does(node: Node) -> None:
    plan, done = plan_of(node, 2.0), []

    def sweep() -> None:
        for number in range(100):
            node.release(trial(node, plan, number))
            done.append(number)

    with pytest.raises(BudgetExceededError, match="left"):
        sweep()
    assert node.ledger().events() == plan.events() * len(done)
    assert 0 < len(done) < 20
    assert node.ledger().epsilon(node.config.delta) <= node.config.epsilon_cap
