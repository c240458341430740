"""What ran is held against what was assumed, and a difference is said everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from recsys.errors import VoidReleaseError
from recsys.privacy.charge import Receipt
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from recsys.silos.config import FederationConfig
from training import spend
from training.assurance import differences
from training.checkpoint import VOID, runs
from training.config import TrainingConfig
from training.run import run_training
from training.settle import STATEMENT
from training.tracking import tracking_uri

PLAN = PrivacyPlan(
    8.0, 1e-6, 1, {"a": 1000}, (ReleasePlan("popularity", 1.0, 4.0),), DpSgdPlan(0.3, 1.0, 0.1, 20)
)


def receipt(mechanism: str, event: PrivacyEvent, **changes) -> Receipt:
    made = Receipt(
        kind="reserve",
        silo="a",
        row=2,
        hash="0" * 64,
        reservation=2,
        event=event,
        delta=1e-6,
        clip_norm=1.0,
        divisor=None,
        run_id="r",
        mechanism=mechanism,
        purpose="training",
        plan_fingerprint=PLAN.fingerprint(),
        unit="customer",
        relation="add-or-remove-one",
        time="2026-01-01T00:00:00+00:00",
    )
    return replace(made, **changes)


HONEST = [receipt("popularity", PrivacyEvent(4.0)), receipt("towers", PLAN.dpsgd.event(), row=4)]
RECEIVED = {("a", "popularity"): 1, ("a", "towers"): 20}


def test_what_was_charged_as_planned_is_no_difference() -> None:
    assert differences(PLAN, RECEIVED, {"a": HONEST}) == []
    redone = [*HONEST, receipt("towers", PLAN.dpsgd.event(10), row=6)]
    assert differences(PLAN, RECEIVED, {"a": redone}) == [], "redone work is charged more than once"


@pytest.mark.parametrize(
    ("receipts", "told"),
    [
        (HONEST[1:], "'popularity': 1 sums were received, 0 were charged"),
        ([HONEST[0], receipt("towers", PLAN.dpsgd.event(10))], "20 sums were received, 10 were charged"),
        ([HONEST[0], receipt("towers", PrivacyEvent(1.0, 0.05, 20))], "sampling_rate=0.05"),
        ([receipt("popularity", PrivacyEvent(8.0)), HONEST[1]], "noise_multiplier=8.0"),
        ([*HONEST, replace(HONEST[0], kind="void", reason="no noise")], "row 2 is void: no noise"),
        ([replace(HONEST[0], plan_fingerprint="f" * 64), HONEST[1]], "under another plan"),
    ],
)
def test_every_difference_is_named(receipts: list[Receipt], told: str) -> None:
    found = differences(PLAN, RECEIVED, {"a": receipts})
    assert len(found) == 1
    assert told in found[0]
    assert found[0].startswith("a: ")


def weaker_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    class Weaker(spend.SecureNoise):
        def normal(self, shape, std):
            return super().normal(shape, std / 1.25)

    monkeypatch.setattr(spend, "SecureNoise", Weaker)


def test_a_void_release_stays_in_the_silo_and_is_said_everywhere(
    configured: Callable[..., TrainingConfig], world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaker_noise(monkeypatch)
    config = configured()
    with pytest.raises(VoidReleaseError, match="void in ") as error:
        run_training(config)
    assert error.value.exit_code == 3
    for silo in FederationConfig.load(world / "federation.toml").silo_configs():
        last = Ledger(silo.ledger).rows()[-1]
        assert last.kind == "void"
        assert "another standard deviation" in last.details["reason"]
        assert len(Ledger(silo.ledger).events()) == 1, "it stays spent"
    (run,) = runs(config.output)
    assert run.state()["status"] == VOID
    assert not run.bundle.exists()
    client = MlflowClient(tracking_uri(config))
    (recorded,) = client.search_runs([client.get_experiment_by_name("thousandfaces").experiment_id])
    assert recorded.info.status == "FAILED"
    assert "void in " in recorded.data.tags["void"]
    assert client.search_registered_models() == []


def test_a_silo_that_charges_less_than_it_sends_voids_the_run(
    configured: Callable[..., TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Ledger.receipts

    def forgetful(self: Ledger, **options) -> tuple[Receipt, ...]:
        found = real(self, **options)
        return found if "after" in options else tuple(r for r in found if r.mechanism != "copurchase")

    monkeypatch.setattr(Ledger, "receipts", forgetful)
    config = configured()
    with pytest.raises(VoidReleaseError, match="'copurchase': 1 sums were received, 0 were charged"):
        run_training(config)
    (run,) = runs(config.output)
    stated = run.read_json(STATEMENT)
    assert stated["stamp"].startswith("VOID")
    assert stated["in_plain_words"].startswith("VOID: what ran is not what was assumed")
    assert len(stated["void"]) == 3
    assert not run.bundle.exists()
    assert "VOID" in json.dumps(run.read_json("registry_entry.json"))
