"""What is released in rounds or steps is charged for each: empty ones too, and those asked for again."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.errors import PlanError
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from training.loading import TrainingData
from training.node import Node


def test_rows_record_the_plan_and_a_snapshot_that_no_other_run_has(node, plan, request_of) -> None:
    for run_id, stage in (("one", "popularity"), ("one", "season"), ("two", "popularity")):
        node.release(request_of(stage, run_id=run_id))
    rows = [row for row in node.ledger().rows() if row.details.get("run_id") in ("one", "two")]
    charges = [row for row in rows if row.kind == "reserve"]
    one, again, other = (row.details["snapshot_hmac"] for row in charges)
    assert one == again != other, "the data are the same in all three"
    recorded = [charge for charge in node.ledger().charges() if charge.run_id in ("one", "two")]
    assert {charge.silos for charge in recorded} == {frozenset(plan.registered_customers)}
    assert {charge.plan_events for charge in recorded} == {plan.events()}


def test_an_empty_batch_is_noised_and_charged_like_any_other(
    node: Node, plan: PrivacyPlan, data: TrainingData, request_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import spend

    sizes = []

    class Watched(spend.SecureNoise):
        def poisson_sample(self, n: int, rate: float) -> np.ndarray:
            sampled = super().poisson_sample(n, rate)
            sizes.append((n * rate, len(sampled)))
            return sampled

    monkeypatch.setattr(spend, "SecureNoise", Watched)
    steps, rate = 6, 0.1 / len(data.sequences)  # q N = 0.1: nine batches of ten are empty
    rare = replace(plan, dpsgd=DpSgdPlan(0.3, 4.0, rate, steps))
    changes = {"run_id": "empty", "plan": rare.to_json(), "fingerprint": rare.fingerprint()}
    block, empty = None, []
    for number in range(steps):
        answer = node.release(request_of("towers", round=number, block_end=steps, **changes), block)
        block = answer.block
        if sizes[-1][1] == 0:
            empty.append(answer.released.values)
    assert all(expected == pytest.approx(0.1) for expected, _ in sizes)
    assert len(empty) > 0, "all of six batches had somebody in them: a chance of 1 in a million"
    for values in empty:
        error = 5 * rare.dpsgd.noise_std / np.sqrt(2 * len(values))
        assert values.std() == pytest.approx(rare.dpsgd.noise_std, abs=error)
    charged = [row for row in node.ledger().rows() if row.details.get("run_id") == "empty"]
    assert [row.event for row in charged] == [rare.dpsgd.event()], "empty batches are in the one charge"


def test_a_step_is_never_released_twice(node: Node, request_of) -> None:
    first = node.release(request_of("towers", run_id="twice"))
    assert first.block is not None
    with pytest.raises(PlanError, match="never repeated"):
        node.release(request_of("towers", run_id="twice"), first.block)
    second = node.release(request_of("towers", run_id="twice", round=1), first.block)
    assert second.block is None
    assert [receipt.kind for receipt in second.receipts] == ["reserve", "commit"]


def test_rounds_beyond_the_plan_are_refused_and_each_is_charged(
    node: Node, plan: PrivacyPlan, request_of
) -> None:
    releases = tuple(replace(r, rounds=2) if r.name == "rhythm" else r for r in plan.releases)
    other = replace(plan, releases=releases, target_epsilon=8.0)
    changes = {"run_id": "rounds", "plan": other.to_json(), "fingerprint": other.fingerprint()}
    before = len(node.ledger().events())
    for number in range(2):
        node.release(request_of("rhythm", round=number, **changes))
    node.release(request_of("rhythm", round=1, attempt=2, **changes))  # asked for again: charged again
    assert [event.steps for event in node.ledger().events()[before:]] == [1, 1, 1]
    for number in (2, -1):
        with pytest.raises(PlanError, match="'rhythm' has 2 rounds by the plan"):
            node.release(request_of("rhythm", round=number, **changes))
    assert len(node.ledger().events()) == before + 3


def test_a_lost_or_new_block_is_charged_again(node: Node, request_of) -> None:
    def spent() -> int:
        return sum(event.steps for event in node.ledger().events())

    before = spent()
    block = node.release(request_of("towers", run_id="lost")).block
    assert spent() == before + 2
    node.release(request_of("towers", run_id="lost", round=1), None)
    assert spent() == before + 3
    node.release(request_of("towers", run_id="lost", attempt=2), block)
    assert spent() == before + 5
