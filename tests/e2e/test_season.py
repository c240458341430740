"""A season: planted in a world, learned across its silos, in a customer's dates and answers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from recsys.bundle.store import read_bundle
from recsys.models.replenishment import IntervalModel
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from recsys.silos.simulator.seasons import PlantedSeason
from serving.app import create_app
from serving.settings import Settings
from training.config_file import load_config
from training.run import run_training

pytestmark = pytest.mark.e2e

RULE = PlantedSeason("soft drinks", 7, 1.2)
WORLD = replace(WorldConfig.disjoint(2, persons=1_500, n_items=240), weeks=60, trips=44.0, seasons=(RULE,))
SHARES = {
    "popularity": 0.1,
    "copurchase": 0,
    "intervals": 0.05,
    "rhythm": 0.25,
    "season": 0.6,
    "towers": 0,
}


@pytest.fixture(name="bundle")
def _bundle(tmp_path: Path, new_output: Callable[[Path], Path]) -> Path:
    federation = write_world(WORLD, tmp_path / "world")
    for silo in (tmp_path / "world" / "silos").iterdir():
        text = (silo / "silo.toml").read_text()
        (silo / "silo.toml").write_text(text.replace("epsilon_cap = 8.0", "epsilon_cap = 64.0"))
    until = WORLD.start + timedelta(days=WORLD.days)
    asked = [f"privacy.shares.{name}={share}" for name, share in SHARES.items()]
    asked += ["privacy.epsilon=40.0", f"until={until.isoformat()}", "rhythm.rounds=3"]
    options = {"federation": federation, "output": new_output(tmp_path / "out")}
    result = run_training(load_config(None, asked, options))
    assert result.report["left_out"] == {}
    return result.bundle_folder


def test_a_planted_season_is_learned_and_told(bundle: Path, tmp_path: Path) -> None:
    read = read_bundle(bundle)
    season = IntervalModel.from_arrays(read.intervals, read.catalogue).season
    assert season is not None
    names = list(read.catalogue.category_codes[1])
    drinks = season.factors[names.index(RULE.category)]
    assert drinks.argmax() in (5, 6, 7)
    assert drinks.max() > 1.5 > 1.2 > np.delete(season.factors, names.index(RULE.category), axis=0).max()
    silo = tmp_path / "world" / "silos" / "group-1" / "silo.toml"
    with TestClient(create_app(Settings(bundle=bundle, silo=silo, demo=True))) as client:
        customers = client.get("/v1/demo/customers?limit=200").json()["customers"]
        told = [
            one
            for customer in customers
            if customer["personalisation"]
            for one in client.get(f"/v1/customers/{customer['customer_id']}/replenishment").json()["due"]
            if one["season"]
        ]
    assert told
    assert {one["category"] for one in told} == {RULE.category}
    assert all(one["season"].startswith("usually bought more in ") for one in told)
