"""A silo's node of its own for each module, a plan that it agrees to, and requests for any stage."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from recsys.models.hazard import DIMENSIONS
from recsys.models.intervals import usual_gaps
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from recsys.silos.config import FederationConfig
from tests.contracts.reservation.stages import SETTINGS, SUMS
from training import scopes
from training.loading import TrainingData
from training.messages import Request
from training.node import Node


@pytest.fixture(scope="module")
def node(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Node:
    root = tmp_path_factory.mktemp("reserve") / "world"
    shutil.copytree(small_world, root)
    federation = FederationConfig.load(root / "federation.toml")
    return Node(federation.silo_configs()[0], federation)


@pytest.fixture(scope="module")
def plan(node: Node) -> PrivacyPlan:
    registered = {silo.name: silo.registered_customers for silo in node._federation.silo_configs()}
    releases = tuple(ReleasePlan(name, 1.0, 20.0) for name in SUMS)
    return PrivacyPlan(6.0, 1e-6, 2, registered, releases, DpSgdPlan(0.3, 4.0, 0.1, 4))


@pytest.fixture(scope="module")
def request_of(node: Node, plan: PrivacyPlan):
    n_items = len(node.catalogue)
    settings = SETTINGS
    fields = {
        "run_id": "r",
        "attempt": 1,
        "round": 0,
        "block_end": 2,
        "catalogue": node.catalogue.hash,
        "requester": "t",
        "approver": "",
        "plan": plan.to_json(),
        "fingerprint": plan.fingerprint(),
        "settings": settings.model_dump_json(),
    }

    def make(stage: str, **changes) -> Request:
        from recsys.features.items import item_features
        from recsys.towers.two_tower import initial_parameters

        parameters = initial_parameters(
            item_features(node.catalogue), scopes.tower_config(settings.towers), 0
        )
        if stage == "rhythm":
            parameters = np.zeros(DIMENSIONS)
        usual = usual_gaps({}, node.catalogue)
        arrays = {"popularity": np.full(n_items, 1 / n_items), "parameters": parameters, "usual": usual}
        return Request({**fields, "stage": f"train.{stage}", **changes}, arrays)

    return make


@pytest.fixture
def data(node: Node, request_of) -> TrainingData:
    return node._data(request_of("popularity"), SETTINGS)[0]
