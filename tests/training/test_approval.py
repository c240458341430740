"""A plan that the silos' policy wants approved waits for a second person, and trains once they agreed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recsys.errors import ApprovalRequiredError
from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from training.checkpoint import runs
from training.config import TrainingConfig
from training.run import run_training


def test_nothing_is_spent_until_a_second_person_agrees(
    configured: Callable[..., TrainingConfig], world: Path
) -> None:
    silos = FederationConfig.load(world / "federation.toml").silos
    for path in silos:
        path.write_text(path.read_text() + "\napproval_above = 1.0\n")
    config = configured("requester=ana")
    with pytest.raises(ApprovalRequiredError, match="a second person must approve the plan there"):
        run_training(config)
    ledgers = [
        Ledger(silo.ledger) for silo in FederationConfig.load(world / "federation.toml").silo_configs()
    ]
    (run,) = runs(config.output)
    assert all(ledger.events() == () for ledger in ledgers)
    for ledger in ledgers:
        (request,) = ledger.waiting()
        assert request.details["requester"] == "ana"
        ledger.approve(request.details["plan_fingerprint"], "bo")
    result = run_training(config)
    assert result.run_id == run.run_id, "the same run goes on, under the plan that was approved"
    charged = [row for ledger in ledgers for row in ledger.rows() if row.kind == "reserve"]
    assert {(row.details["requester"], row.details["approver"]) for row in charged} == {("ana", "bo")}
