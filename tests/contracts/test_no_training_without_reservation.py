"""No stage of a silo releases anything unless its ledger was charged, and no noise is drawn elsewhere."""

import ast
import inspect
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

import training
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, LedgerError, PlanError, TrainingError
from recsys.models.hazard import DIMENSIONS
from recsys.models.intervals import usual_gaps
from recsys.privacy.ledger import Ledger
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan, ReleasePlan
from recsys.silos.config import FederationConfig
from training import local, scopes
from training.config import TrainingConfig
from training.loading import TrainingData
from training.messages import Request
from training.node import Node
from training.sections import HeadSettings, PopularitySettings
from training.spend import spending

STAGES = ("popularity", "intervals", "copurchase", "rhythm", "season", "followups", "demand", "towers")
SUMS = STAGES[:-1]
SETTINGS = TrainingConfig(rhythm={"as_of": "2026-06-29T00:00:00Z"}).silo_settings(ordered=True)


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


@pytest.mark.parametrize("forged", [None, object(), True])
def test_stage_functions_refuse_anything_but_a_reservation(
    data: TrainingData, plan: PrivacyPlan, node: Node, forged: object
) -> None:
    settings = SETTINGS
    published = np.full(len(node.catalogue), 1 / len(node.catalogue))
    told = local.RhythmRound(published, usual_gaps({}, node.catalogue), np.zeros(DIMENSIONS))
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


@pytest.mark.parametrize("stage", SUMS)
def test_noise_for_a_smaller_bound_than_the_models_is_refused(
    node: Node, plan: PrivacyPlan, request_of, stage: str
) -> None:
    weaker = tuple(ReleasePlan(r.name, 0.5 * r.clip_norm, r.noise_multiplier) for r in plan.releases)
    other = replace(plan, releases=weaker)
    request = request_of(stage, run_id="weak", plan=other.to_json(), fingerprint=other.fingerprint())
    with pytest.raises(PlanError, match=r"norm 0\.5"):
        node.release(request)


@pytest.mark.parametrize("stage", ["rhythm", "season", "demand"])
def test_without_a_moment_up_to_which_data_are_complete_nothing_is_charged(
    node: Node, request_of, stage: str
) -> None:
    before = node.ledger().events()
    settings = SETTINGS.model_copy(update={"known_until": None}).model_dump_json()
    with pytest.raises(PlanError, match=r"set 'until' or 'rhythm\.as_of'"):
        node.release(request_of(stage, run_id="no end", settings=settings))
    assert node.ledger().events() == before


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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target_epsilon": 50.0}, "epsilon_cap"),
        ({"delta": 1e-4}, "above the silo's delta"),
        ({"max_silos_per_person": 1}, "max_silos_per_person"),
        ({"registered_customers": {"northmarket": 200_000, "other": 5}}, "registered_customers"),
        ({"target_epsilon": 0.1}, "epsilon of its events is above its target"),
    ],
)
def test_a_silo_refuses_plans_outside_its_own_limits(
    node: Node, plan: PrivacyPlan, request_of, change, told
) -> None:
    other = replace(plan, **change)
    request = request_of("popularity", plan=other.to_json(), fingerprint=other.fingerprint())
    with pytest.raises(PlanError, match=told):
        node.release(request)


def test_a_plan_must_have_the_fingerprint_it_came_with(node: Node, request_of) -> None:
    with pytest.raises(PlanError, match="fingerprint"):
        node.release(request_of("popularity", fingerprint="0" * 64))


def test_another_catalogue_is_refused(node: Node, request_of) -> None:
    assert isinstance(node.catalogue, Catalogue)
    with pytest.raises(Exception, match="another catalogue"):
        node.release(request_of("popularity", catalogue="0" * 64))


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


MISFITS = {
    "short": lambda array: array[:-1],
    "far too short": lambda array: array[:3],
    "a table": lambda array: array[:, None],
    "not a number": lambda array: np.where(np.arange(len(array)) == 2, np.nan, array),
    "without end": lambda array: np.where(np.arange(len(array)) == 2, -np.inf, array),
    "whole numbers": lambda array: np.ones(len(array), np.int64),
    "complex": lambda array: array.astype(np.complex128),
}


@pytest.mark.parametrize("misfit", MISFITS)
@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("copurchase", "popularity"),
        ("followups", "popularity"),
        ("demand", "popularity"),
        ("rhythm", "popularity"),
        ("rhythm", "usual"),
        ("rhythm", "parameters"),
        ("towers", "popularity"),
        ("towers", "parameters"),
    ],
)
def test_misfits_are_refused_before_data_can_stumble_over_them(
    node: Node, request_of, stage: str, name: str, misfit: str
) -> None:
    """With and without customers the same answer, and nothing charged: a status is no channel."""
    nobody = SETTINGS.model_copy(update={"until": datetime(2000, 1, 1, tzinfo=UTC)})
    said, before = set(), node.ledger().events()
    for settings in (SETTINGS, nobody):
        request = request_of(stage, run_id=f"{stage}/{name}/{misfit}", settings=settings.model_dump_json())
        arrays = {**request.arrays, name: MISFITS[misfit](request.arrays[name])}
        with pytest.raises(PlanError) as refused:
            node.release(Request(request.fields, arrays))
        said.add(str(refused.value))
    assert len(said) == 1
    assert f"'{name}'" in said.pop()
    assert node.ledger().events() == before


@pytest.mark.parametrize("misfit", MISFITS)
def test_the_head_is_told_by_shares_as_well(node: Node, plan: PrivacyPlan, request_of, misfit: str) -> None:
    twice = replace(plan, releases=(ReleasePlan("popularity", 1.0, 30.0, rounds=2),))
    settings = SETTINGS.model_copy(update={"popularity": PopularitySettings(head=HeadSettings(items=9))})
    fields = {"plan": twice.to_json(), "fingerprint": twice.fingerprint(), "round": 1}
    request = request_of("popularity", run_id="head", settings=settings.model_dump_json(), **fields)
    before = node.ledger().events()
    told = {"popularity": MISFITS[misfit](request.arrays["popularity"])}
    with pytest.raises(PlanError, match="'popularity'"):
        node.release(Request(request.fields, told))
    with pytest.raises(TrainingError, match="lacks the array 'popularity'"):
        node.release(Request(request.fields, {}))
    assert node.ledger().events() == before


@pytest.mark.parametrize("value", [0.0, -1e300, 1.5])
def test_popularities_are_shares(node: Node, request_of, value: float) -> None:
    request = request_of("copurchase", run_id=f"shares {value}")
    arrays = {**request.arrays, "popularity": np.full(len(node.catalogue), value)}
    with pytest.raises(PlanError, match="'popularity' has values"):
        node.release(Request(request.fields, arrays))


@pytest.mark.parametrize("units", [1e-170, 1e308])
def test_bounds_that_bound_nothing_are_refused_before_anything_is_charged(
    node: Node, request_of, units: float
) -> None:
    """Squares of such numbers are 0 or infinite: norms taken of them clip nobody, or show who is there."""
    before = node.ledger().events()
    names = ("max_units", "items", "groups", "areas", "level", "spread")
    demand = SETTINGS.demand.model_copy(update=dict.fromkeys(names, units))
    settings = SETTINGS.model_copy(update={"demand": demand}).model_dump_json()
    with pytest.raises(ValidationError, match=r"demand\.max_units"):
        node.release(request_of("demand", run_id=f"units {units}", settings=settings))
    assert node.ledger().events() == before


def test_a_missing_array_is_named_and_charges_nothing(node: Node, request_of) -> None:
    before = node.ledger().events()
    request = request_of("rhythm", run_id="missing")
    arrays = {key: array for key, array in request.arrays.items() if key != "usual"}
    with pytest.raises(TrainingError, match="lacks the array 'usual'"):
        node.release(Request(request.fields, arrays))
    assert node.ledger().events() == before


def test_a_silo_keeps_the_follow_ups_of_hidden_categories_to_itself(
    node: Node, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = np.full(len(node.catalogue), 1 / len(node.catalogue))
    whole = local.followup_cells(data, SETTINGS, published)
    names = scopes.category_scope(node.catalogue, published, SETTINGS.followups).names
    busiest = int(np.abs(whole).sum(axis=(1, 2)).argmax())
    hidden = local.followup_cells(replace(data, hidden=(names[busiest],)), SETTINGS, published)
    assert whole[busiest].any()
    assert hidden.shape == whole.shape
    assert not hidden[busiest].any()
    assert not hidden[:, busiest].any()
    config = node.config.model_copy(update={"followups_exclude": (names[busiest],)})
    monkeypatch.setattr(node, "config", config)
    monkeypatch.setattr(node, "_loaded", None)
    request = Request({"run_id": "hidden"}, {})
    assert node._data(request, SETTINGS)[0].hidden == (names[busiest],)


def test_a_misspelt_exclusion_is_refused_before_anything_is_learned_or_charged(
    node: Node, request_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = node.ledger().events()
    config = node.config.model_copy(update={"followups_exclude": ("helth",)})
    monkeypatch.setattr(node, "config", config)
    with pytest.raises(ConfigError, match="followups_exclude names 'helth'"):
        node.release(request_of("followups", run_id="misspelt"))
    assert node.ledger().events() == before


def test_areas_without_a_place_are_refused_before_anything_is_charged(node: Node, request_of) -> None:
    before = node.ledger().events()
    demand = SETTINGS.demand.model_copy(update={"max_areas": 0})
    settings = SETTINGS.model_copy(update={"demand": demand}).model_dump_json()
    with pytest.raises(PlanError, match="store areas, places for 0"):
        node.release(request_of("demand", run_id="areas", settings=settings))
    assert node.ledger().events() == before
