"""A coordinator that repeats, reorders and races requests, or plans for silos that nobody agreed on."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from recsys.errors import OrderingError, PlanError
from recsys.features.items import item_features
from recsys.models.hazard import DIMENSIONS
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from recsys.silos.config import FederationConfig
from recsys.towers.two_tower import initial_parameters
from training import scopes
from training.config import TrainingConfig
from training.messages import Request
from training.node import Node
from training.steps import claim


@pytest.fixture(scope="module")
def node(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Node:
    root = tmp_path_factory.mktemp("hostile") / "world"
    shutil.copytree(small_world, root)
    federation = FederationConfig.load(root / "federation.toml")
    return Node(federation.silo_configs()[0], federation)


@pytest.fixture(scope="module")
def plan(node: Node) -> PrivacyPlan:
    registered = {silo.name: silo.registered_customers for silo in node._federation.silo_configs()}
    towers = DpSgdPlan(0.3, 8.0, 0.1, 4)
    return PrivacyPlan(6.0, 1e-6, 2, registered, (ReleasePlan("popularity", 1.0, 20.0),), towers)


def request(node: Node, plan: PrivacyPlan, stage: str, **changes) -> Request:
    settings = TrainingConfig().silo_settings(ordered=True)
    parameters = initial_parameters(item_features(node.catalogue), scopes.tower_config(settings.towers), 0)
    fields = {
        "stage": f"train.{stage}",
        "run_id": "r",
        "attempt": 1,
        "round": 0,
        "block_end": 4,
        "catalogue": node.catalogue.hash,
        "requester": "t",
        "approver": "",
        "plan": plan.to_json(),
        "fingerprint": plan.fingerprint(),
        "settings": settings.model_dump_json(),
    }
    published = np.full(len(node.catalogue), 1 / len(node.catalogue))
    return Request({**fields, **changes}, {"popularity": published, "parameters": parameters})


def test_a_step_is_released_once_though_the_state_of_the_node_is_an_old_one(node, plan) -> None:
    old = node.release(request(node, plan, "towers")).block
    node.release(request(node, plan, "towers", round=1), old)
    with pytest.raises(PlanError, match="never repeated"):
        node.release(request(node, plan, "towers", round=1), old)
    node.release(request(node, plan, "towers", round=2), old)
    with pytest.raises(PlanError, match="never repeated"):
        node.release(request(node, plan, "towers", round=2), old)


def test_other_settings_within_a_block_are_a_charge_of_their_own(node, plan) -> None:
    block = node.release(request(node, plan, "towers", run_id="settings")).block
    before = len(node.ledger().events())
    other = TrainingConfig(max_events_per_customer=7).silo_settings(ordered=True).model_dump_json()
    node.release(request(node, plan, "towers", run_id="settings", round=1, settings=other), block)
    assert len(node.ledger().events()) == before + 1


def test_of_requests_at_once_one_gets_the_step(tmp_path: Path) -> None:
    def take(_: int) -> bool:
        try:
            claim(tmp_path / "steps", 5, "block", 1)
        except PlanError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(64))) == 1


def test_a_torn_line_hides_no_step(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    assert [claim(steps, 5, "block", number) for number in (0, 1)] == [0, 1]
    with steps.open("a") as file:
        file.write("5-")
    assert claim(steps, 5, "block", 2) == 2
    assert claim(steps, 5, "block", 3) == 3
    assert claim(steps, 6, "block", 0) == 0


def test_a_plan_with_more_silos_than_were_agreed_on_is_refused(node, plan) -> None:
    """Who is in more silos than `max_silos_per_person` is dropped only where the silos are counted alike."""
    more = replace(plan, registered_customers={**plan.registered_customers, "joined-later": 1000})
    with pytest.raises(PlanError, match="number of silos"):
        node.release(request(node, more, "popularity", run_id="more"))


@pytest.mark.parametrize("number", [2**63, 10**30])
@pytest.mark.parametrize("where", ["popularity", "copurchase", "max_events_per_customer"])
def test_a_number_too_large_to_compute_with_is_refused_before_it_is_paid_for(
    node, plan, where: str, number: int
) -> None:
    settings = TrainingConfig().silo_settings(ordered=True).model_dump(mode="json")
    settings[where] = number if isinstance(settings[where], int) else {"max_items": number}
    before = node.ledger().head()
    with pytest.raises(ValidationError, match="less than or equal"):
        node.release(request(node, plan, "popularity", settings=json.dumps(settings)))
    assert node.ledger().head() == before


@pytest.fixture(params=["somebody", "nobody"])
def unordered(request: pytest.FixtureRequest, world: Path) -> Node:
    """A silo whose data have no order, and in which somebody, or nobody, consents to training."""
    silo = FederationConfig.load(world / "federation.toml").silo_configs()[0]
    path = silo.folder / "silo.toml"
    path.write_text(path.read_text().replace('ordering = "timestamp"', 'ordering = "none"'))
    names = {"interactions": ("timestamp", "order_no"), "customers": ("consent_training",)}
    for table, columns in names.items():
        rows = pq.read_table(silo.folder / f"{table}.parquet")
        for name in set(columns) & set(rows.column_names):
            kind, at = rows[name].type, rows.column_names.index(name)
            if table == "interactions":
                rows = rows.set_column(at, name, pa.nulls(len(rows), kind))
            elif request.param == "nobody":
                rows = rows.set_column(at, name, pa.array(np.zeros(len(rows), bool)))
        pq.write_table(rows, silo.folder / f"{table}.parquet")
    federation = FederationConfig.load(world / "federation.toml")
    return Node(federation.silo_configs()[0], federation)


def test_an_order_that_the_data_do_not_have_is_refused_whoever_is_in_them(unordered, plan) -> None:
    with pytest.raises(OrderingError, match="have none"):
        unordered.release(request(unordered, plan, "popularity"))
    assert not unordered.ledger().events()


def measured(node: Node, plan: PrivacyPlan, stage: str, **changes) -> Request:
    """A request with all arrays that a stage may ask for, under a plan of it alone."""
    told = request(node, replace(plan, releases=(ReleasePlan(stage, 1.0, 20.0),)), stage, **changes)
    n = len(node.catalogue)
    told.arrays.update(usual=np.zeros(n), vectors=np.zeros((n, 2)), history_table=np.zeros((n, 2)))
    if stage == "rhythm":
        told.arrays.update(parameters=np.zeros(DIMENSIONS))
    return told


@pytest.mark.parametrize("stage", ["intervals", "rhythm", "season", "followups", "demand", "metrics"])
def test_what_needs_timestamps_costs_nothing_without_whoever_is_in_the_data(
    unordered, plan, stage: str
) -> None:
    settings = TrainingConfig().silo_settings(ordered=False).model_dump_json()
    told = measured(unordered, plan, stage, settings=settings)
    with pytest.raises(OrderingError, match="needs timestamps"):
        unordered.release(told)
    assert not unordered.ledger().events()


@pytest.mark.parametrize("stage", ["rhythm", "season", "demand", "metrics"])
def test_what_needs_a_moment_that_nobody_told_costs_nothing(node, plan, stage: str) -> None:
    before = node.ledger().head()
    told = measured(node, plan, stage)
    with pytest.raises(PlanError, match="set 'until'"):
        node.release(told)
    assert node.ledger().head() == before


@pytest.mark.parametrize("name", ["vectors", "history_table"])
def test_vectors_of_which_products_could_overflow_cost_nothing(node, plan, name: str) -> None:
    before = node.ledger().head()
    told = measured(node, plan, "metrics")
    told.arrays[name] = np.full((len(node.catalogue), 2), -2e30)
    with pytest.raises(PlanError, match=f"'{name}' has values that are not finite numbers from -1e"):
        node.release(told)
    assert node.ledger().head() == before
