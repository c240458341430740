"""What a run refuses, and what it does when silos refuse or fail."""

from pathlib import Path

import pytest

from recsys.bundle.store import read_bundle
from recsys.errors import BudgetExceededError, ConfigError, PlanError, QuorumError
from recsys.privacy.ledger import Charge, Ledger
from recsys.privacy.plan import PrivacyEvent
from recsys.silos.config import FederationConfig
from tests.training.worlds import Configured, charges, edit, edit_silos
from training.run import run_training


def test_over_the_cap_the_run_stops_and_says_what_is_left(configured: Configured, world: Path) -> None:
    edit_silos(world, "epsilon_cap = 8.0", "epsilon_cap = 4.0")
    for silo in FederationConfig.load(world / "federation.toml").silo_configs():
        ledger = Ledger(silo.ledger)
        ledger.set_cap(4.0, silo.delta)
        earlier = {"run_id": "earlier", "purpose": "test", "mechanism": "popularity", "requester": "t"}
        numbers = {"event": PrivacyEvent(1.5), "delta": silo.delta, "clip_norm": 1.0, "divisor": None}
        hashes = {"plan_fingerprint": "0" * 64, "snapshot_hmac": "0" * 64}
        ledger.reserve(Charge(silo=silo.name, **earlier, **numbers, **hashes))
    with pytest.raises(BudgetExceededError, match=r"citygrocer: budget-exceeded .*epsilon left 0"):
        run_training(configured())


def test_a_silo_that_refuses_is_left_out_while_the_quorum_holds(configured: Configured, world: Path) -> None:
    edit_silos(world, "epsilon_cap = 8.0", "epsilon_cap = 3.5", count=1)
    result = run_training(configured())
    assert result.report["missed_rounds"] == {"citygrocer": 6 + 3 + 5}
    assert charges(world)["citygrocer"] == []
    with pytest.raises(PlanError, match="citygrocer: plan-refused"):
        run_training(configured("quorum=3"))


def test_failing_silos_end_the_run_without_saying_why(configured: Configured, world: Path) -> None:
    for folder in sorted((world / "silos").iterdir())[:2]:
        (folder / "interactions.parquet").unlink()
    with pytest.raises(QuorumError, match=r"stage 'hello|citygrocer: failed") as error:
        run_training(configured())
    assert "interactions" not in str(error.value)


def test_areas_without_a_place_are_refused_before_anything_is_spent_on_them(
    configured: Configured, world: Path
) -> None:
    with pytest.raises(ConfigError, match=r"more than demand\.max_areas = 1; raise it"):
        run_training(configured("demand.max_areas=1"))
    assert not any("demand" in spent for spent in charges(world).values())


def test_an_exclusion_that_does_not_exist_is_refused_before_anything_is_spent(
    configured: Configured, world: Path
) -> None:
    with pytest.raises(ConfigError, match=r"'followups\.exclude' names 'helth'"):
        run_training(configured('followups.exclude=["helth"]'))
    assert not any(charges(world).values())


def test_research_data_need_the_flag_and_are_stamped(configured: Configured, world: Path) -> None:
    edit(world / "federation.toml", 'data_kind = "simulated"', 'data_kind = "research"')
    with pytest.raises(ConfigError, match="--research-data"):
        run_training(configured())
    result = run_training(
        configured("research_data=true", "privacy.shares.towers=0", "privacy.shares.copurchase=0.75")
    )
    assert read_bundle(result.bundle_folder).statement["stamp"] == "research data: outside the claim"


def test_data_of_no_known_kind_are_refused(configured: Configured, world: Path) -> None:
    edit(world / "federation.toml", 'data_kind = "simulated"', 'data_kind = "borrowed"')
    with pytest.raises(ConfigError, match="'borrowed' is unknown"):
        run_training(configured())


def test_more_quorum_than_silos_is_refused(configured: Configured) -> None:
    with pytest.raises(ConfigError, match="more than 3 silos"):
        run_training(configured("quorum=4"))
