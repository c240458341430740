"""A need that follows a purchase: planted in a world, learned across its silos, told to a customer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recsys.bundle.store import read_bundle
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from recsys.silos.simulator.follow_ups import PlantedFollowUp
from serving.app import create_app
from serving.settings import Settings
from training.config_file import load_config
from training.run import run_training

pytestmark = pytest.mark.e2e

RULE = PlantedFollowUp("tea", "stationery", 16, 28, 0.7)
WORLD = replace(WorldConfig.disjoint(2, persons=3_000, n_items=240), follow_ups=(RULE,))
SHARES = {"popularity": 0.1, "copurchase": 0, "intervals": 0, "rhythm": 0, "towers": 0, "followups": 0.9}


@pytest.fixture(name="bundle")
def _bundle(tmp_path: Path, new_output: Callable[[Path], Path]) -> Path:
    federation = write_world(WORLD, tmp_path / "world")
    for silo in (tmp_path / "world" / "silos").iterdir():
        text = (silo / "silo.toml").read_text()
        (silo / "silo.toml").write_text(text.replace("epsilon_cap = 8.0", "epsilon_cap = 64.0"))
    until = WORLD.start + timedelta(days=WORLD.days)
    asked = [f"privacy.shares.{name}={share}" for name, share in SHARES.items()]
    asked += ["privacy.epsilon=40.0", f"until={until.isoformat()}"]
    options = {"federation": federation, "output": new_output(tmp_path / "out")}
    return run_training(load_config(None, asked, options)).bundle_folder


def test_a_planted_need_is_learned_and_told(bundle: Path, tmp_path: Path) -> None:
    (rule,) = read_bundle(bundle).follow_ups or ()
    assert (rule.bought, rule.needed) == (RULE.first, RULE.second)
    assert rule.after_days < 22 < rule.until_days
    silo = tmp_path / "world" / "silos" / "group-1" / "silo.toml"
    with TestClient(create_app(Settings(bundle=bundle, silo=silo, demo=True))) as client:
        told = [need for customer in chosen(client) if (need := need_of(client, customer))]
        assert told
        assert {need["category"] for need in told} == {RULE.second}
        assert told[0]["because"]["text"].startswith(f"Customers who bought {RULE.first} often need")
        assert told[0]["items"]


def chosen(client: TestClient) -> list[str]:
    customers = client.get("/v1/demo/customers?limit=200").json()["customers"]
    return [one["customer_id"] for one in customers if one["personalisation"]]


def need_of(client: TestClient, customer: str) -> dict[str, Any] | None:
    needs: list[dict[str, Any]] = client.get(f"/v1/customers/{customer}/next-needs").json()["needs"]
    return needs[0] if needs else None
