"""The product's own run and its twin on a small folder, and item lists that the run pays for itself."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from numpy.typing import NDArray

from experiments.quality.item_list import LIST_SHARE, ItemList, private_list, product_plans
from experiments.quality.options import QualityOptions
from experiments.quality.prepare import Stage, prepare
from experiments.quality.private import Settings
from experiments.quality.protocols import Protocol, split
from experiments.quality.seeds import SeededQuality, run_all
from experiments.quality.silos import Budget, by_column, by_customer, deal
from experiments.quality.tables import read_purchases
from recsys.errors import ConfigError
from recsys.privacy import accountant
from recsys.privacy.budget import budget_report
from recsys.silos.config import FederationConfig
from recsys.silos.ledger import read_ledger
from training.progress import silent

CUSTOMERS, ITEMS, COMMON = 200, 160, 100
METHODS_RUN = ("private", "non_private_twin", "popularity", "plain_dpsgd")
SMALL = """
[towers]
embedding_dim = 4
steps = 2
negatives = 20
sampling_rate = 0.5

[copurchase]
top_items = 50
full_rank = 10
rank = 8
neighbours = 5
"""


def write(folder: Path, rare_buyers: NDArray[np.str_] | None = None) -> Path:
    """Everybody buys common items in five weeks; the rare buyers, if any, five rare ones and nothing else."""
    random, folder = np.random.default_rng(0), folder / "data"
    folder.mkdir(exist_ok=True, parents=True)
    customer = np.repeat(np.arange(CUSTOMERS), 60).astype(str)
    item = random.integers(0, COMMON, len(customer))
    rare = random.random(len(customer)) < 0.002
    if rare_buyers is not None:
        rare |= np.isin(customer, rare_buyers)
    item[rare] = COMMON + item[rare] % 5
    columns = {
        "customer_id": customer,
        "item_id": np.char.add("i", np.char.zfill(item.astype(str), 3)),
        "timestamp": random.integers(0, 5, len(customer)) * 7 * 86_400,
        "city": np.array(["Ulm", "ULM", "ulm-1"])[random.integers(0, 3, len(customer))],
    }
    pq.write_table(pa.table(columns), folder / "transactions.parquet")
    catalogue = {"item_id": [f"i{number:03d}" for number in range(ITEMS)]}
    pq.write_table(pa.table(catalogue), folder / "items.parquet")
    (folder / "small.toml").write_text(SMALL)
    return folder


def options(
    folder: Path, protocol: Protocol = Protocol.STRONG_GENERALISATION, **given: object
) -> QualityOptions:
    chosen = {"silos": "2", "epsilon": 8.0, "items": COMMON, "config": folder / "small.toml"} | given
    return QualityOptions(folder, protocol, **chosen)  # type: ignore[arg-type]


def spent(stage: Stage) -> float:
    """Person-level, by the ledgers of the silos alone."""
    federation = FederationConfig.load(stage.dealt.federation)
    ledgers = {silo.name: read_ledger(silo) for silo in federation.silo_configs()}
    bound = federation.max_silos_per_person
    return budget_report(ledgers, max_silos_per_person=bound, delta=stage.budget.delta).person_epsilon


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("output")


@pytest.fixture(scope="module")
def paid(folder: Path, output: Path) -> SeededQuality:
    """One run with everything private in it, and a list that it pays for."""
    asked = options(folder, item_list=ItemList.PRIVATE, methods=METHODS_RUN)
    return run_all(asked, [3], command="bench", research_data=True, output=output)


def test_private_and_twin_with_a_private_list_stay_within_epsilon(paid: SeededQuality) -> None:
    found = paid.to_dict()
    assert [found[name] for name in ("items", "item_list", "silos")] == [COMMON, "private", 2]
    assert list(found["methods"]) == list(METHODS_RUN)
    assert [figures["private"] for figures in found["methods"].values()] == [True, False, False, True]
    assert all(0.0 <= figures["recall_at_20"] <= 1.0 for figures in found["methods"].values())
    assert 0.98 * 8.0 <= found["epsilon_spent"] <= 8.0
    assert 0.0 < found["item_list_epsilon"] < 0.4 * 8.0
    assert any("item list: the 100 items" in note for note in found["notes"])
    (recall, ndcg), methods = found["differences"], found["methods"]
    for difference, metric in ((recall, "recall_at_20"), (ndcg, "ndcg_at_100")):
        assert (difference["metric"], difference["best"]) == (metric, "popularity")
        paired = methods["private"][metric] - methods["popularity"][metric]
        assert difference["difference"] == pytest.approx(paired)
        assert difference["interval"][0] <= paired <= difference["interval"][1]
    assert any("recall_at_20" in fact and "on popularity" in fact for fact in paid.facts())


def test_mlflow_holds_the_command_and_the_seed_below_it(paid: SeededQuality, output: Path) -> None:
    uri = f"sqlite:///{output / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("thousandfaces-bench")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"data strong-generalisation", "data strong-generalisation seed 3"}
    parent, child = runs["data strong-generalisation"], runs["data strong-generalisation seed 3"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.data.tags["claim"] == "outside the claim"
    assert [child.data.params[name] for name in ("item_list", "seed")] == ["private", "3"]
    result = paid.by_seed[3].to_dict()
    for method in METHODS_RUN:
        assert child.data.metrics[f"{method}.recall_at_20"] == result["methods"][method]["recall_at_20"]
    assert [file.path for file in client.list_artifacts(child.info.run_id, "plots")] == ["plots/methods.png"]
    kept = json.loads(Path(client.download_artifacts(child.info.run_id, "result.json")).read_text())
    assert kept["methods"].keys() == result["methods"].keys()
    assert kept["epsilon_spent"] == result["epsilon_spent"]


def test_the_ledgers_hold_list_and_main_run(folder: Path, tmp_path: Path) -> None:
    asked = options(
        folder,
        item_list=ItemList.PRIVATE,
        methods=("popularity",),
        silos="column:city",
        max_silos_per_person=2,
    )
    stage = prepare(asked, tmp_path, silent)
    assert stage.paid is not None
    assert spent(stage) == pytest.approx(stage.paid.epsilon)
    assert len(stage.data.catalogue) == stage.trial.n_items == COMMON
    # What is left for the main run, in the same two silos, fills the budget and no more.
    plans = product_plans(stage.settings, stage.dealt, stage.budget, stage.trial.histories.ordering)
    main = plans(stage.paid.left(plans, stage.budget))
    both = accountant.epsilon(stage.paid.events * 2 + main.events() * 2, stage.budget.delta)
    assert 0.985 * 8.0 <= both <= 8.0
    # The list cost its share of mu squared, in each of the two silos that one person may be in.
    whole = accountant.canonical(stage.paid.events * 2)[0].noise_multiplier ** -2 / LIST_SHARE
    assert accountant.epsilon([type(stage.paid.events[0])(whole**-0.5)], 1e-6) == pytest.approx(8.0, rel=0.02)


def test_the_list_is_the_same_whatever_held_out_customers_bought(tmp_path: Path) -> None:
    first = write(tmp_path / "first")
    data = read_purchases(first)
    held_out = data.customer_ids[split(data, Protocol.STRONG_GENERALISATION).customers]
    assert len(held_out) == CUSTOMERS // 5
    second = write(tmp_path / "second", rare_buyers=held_out.astype(str))
    lists, tables = [], []
    for number, folder in enumerate((first, second)):
        data = read_purchases(folder)
        trial = split(data, Protocol.STRONG_GENERALISATION)
        budget, work = Budget(64.0, 1e-6), tmp_path / f"work-{number}"
        dealt = deal(data, trial, by_customer(data, trial, 1), budget, work / "silos")
        settings = Settings.of("strong-generalisation", None)
        paid = private_list(settings, dealt, budget, COMMON, seed=0, output=work / "run", progress=silent)
        lists.append(paid.items)
        silo = FederationConfig.load(dealt.federation).silo_configs()[0].folder
        tables.append([pq.read_table(silo / f"{name}.parquet") for name in ("interactions", "customers")])
    assert tables[0] == tables[1]
    assert np.array_equal(lists[0], lists[1])
    assert lists[0].tolist() == list(range(COMMON))


@pytest.mark.parametrize("protocol", [Protocol.TEMPORAL, Protocol.NEXT_BASKET])
def test_no_target_was_learned_from_by_the_list_and_ranks_stay(
    folder: Path, tmp_path: Path, protocol: Protocol
) -> None:
    data = read_purchases(folder, "city")
    trial = split(data, protocol)
    items = np.arange(20, 70)
    fewer, cut = data.among(items, ""), trial.among(items)
    few, many = cut.histories, trial.histories
    kept = np.isin(many.items, items)
    assert np.array_equal(few.items, many.items[kept] - 20)
    assert np.array_equal(few.items, fewer.histories.items)
    assert np.array_equal(cut.target, trial.target[kept])
    assert not (cut.target & cut.train).any()
    assert (np.diff(cut.wanted.offsets) > 0).all()
    members = by_column(data, trial, 1)
    for made, part in ((data, trial), (fewer, cut)):
        deal(made, part, members, Budget(2.0, 1e-6), tmp_path)
        customers = pq.read_table(tmp_path / members.names[0] / "customers.parquet")
        assert customers["person_rank"].to_pylist() == members.ranks[members.ranks[:, 0] > 0, 0].tolist()


def test_own_history_of_one_silo_alone(folder: Path, tmp_path: Path) -> None:
    every, home = (
        prepare(
            options(folder, Protocol.TEMPORAL, silos="column:city", methods=(), own_history=own),
            tmp_path / own,
            silent,
        )
        for own in ("all", "silo")
    )
    assert not (home.trial.visible & ~every.trial.visible).any()
    shown, target = home.trial.visible, home.trial.target
    for customer, silo in zip(home.trial.customers, home.dealt.silo_of, strict=True):
        mine = home.trial.histories.rows == customer
        assert set(home.data.silos[mine & shown]) <= {silo} <= set(home.data.silos[mine & target])
    assert np.array_equal(home.trial.train, every.trial.train)


def test_silos_that_differ_in_case_alone_have_names_of_their_own(folder: Path) -> None:
    names = read_purchases(folder, "city").silo_names
    assert names == ("ulm-0", "ulm-1-x", "ulm-1")
    assert len(set(names)) == len(names)


def test_a_private_list_needs_its_length(folder: Path) -> None:
    with pytest.raises(ConfigError, match="--item-list private: say with --items"):
        options(folder, items=None, item_list=ItemList.PRIVATE)
