import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recsys.bundle.registry_mlflow import MlflowRegistry
from recsys.bundle.store import read_bundle
from recsys.data.contracts import Table
from recsys.errors import BudgetExceededError, ConfigError, PlanError, QuorumError, TrainingError
from recsys.models.demand_forecast import DemandModel
from recsys.models.replenishment import IntervalModel
from recsys.privacy.ledger import Charge, Ledger
from recsys.privacy.plan import PrivacyEvent
from recsys.silos.config import FederationConfig
from training import gradient_rounds, rhythm_rounds, stages
from training.checkpoint import open_run, runs
from training.config import TrainingConfig
from training.run import run_training
from training.tracking import tracking_uri

Configured = Callable[..., TrainingConfig]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def edit_silos(world: Path, old: str, new: str, count: int = 3) -> None:
    for folder in sorted((world / "silos").iterdir())[:count]:
        edit(folder / "silo.toml", old, new)


def charges(world: Path) -> dict[str, list[str]]:
    silos = FederationConfig.load(world / "federation.toml").silo_configs()
    ledgers = {silo.name: Ledger(silo.ledger) for silo in silos if silo.ledger.exists()}
    return {
        name: [str(row.details["mechanism"]) for row in ledger.rows() if row.kind == "reserve"]
        for name, ledger in ledgers.items()
    }


def test_the_bundle_holds_what_was_trained(trained) -> None:
    bundle = read_bundle(trained.result.bundle_folder)
    config = trained.config
    assert bundle.version == trained.result.report["model_version"]
    assert set(bundle.manifest.blocks) == {"copurchase", "towers", "profile"}
    start, stop = bundle.manifest.blocks["towers"]
    assert stop - start == config.towers.embedding_dim
    assert np.exp(bundle.log_popularity).sum() == pytest.approx(1, abs=1e-4)
    assert bundle.manifest.sequence.decay == config.sequences.decay
    assert bundle.manifest.metrics is None
    assert set(bundle.intervals) == {"mean", "variance", "hazard", "appeals"}
    assert IntervalModel.from_arrays(bundle.intervals, bundle.catalogue).learned is not None


def test_what_was_spent_is_what_was_planned(trained) -> None:
    report, plan = trained.result.report, trained.result.plan
    assert report["person_epsilon"] == pytest.approx(plan.epsilon(), rel=1e-6)
    assert report["within_target"]
    assert report["person_epsilon"] <= 4
    assert report["unconfirmed_silos"] == []
    for spent in report["silos"].values():
        # One release each for six statistics, three rounds, and towers in blocks of 2, 2 and 1 steps.
        assert spent["reservations"] == 12
        assert spent["epsilon"] < report["person_epsilon"]


def test_the_statement_is_in_the_bundle_and_its_summary_in_the_manifest(trained) -> None:
    bundle = read_bundle(trained.result.bundle_folder)
    assert bundle.statement["stamp"].startswith("simulated")
    assert bundle.manifest.privacy_statement["id"] == bundle.statement["id"]
    assert bundle.statement["heads"] == trained.result.report["ledger_heads"]


def test_the_run_is_recorded_with_public_numbers_and_registered(trained) -> None:
    from mlflow import MlflowClient

    report, uri = trained.result.report, tracking_uri(trained.config)
    found = MlflowRegistry(uri).resolve("models:/thousandfaces@candidate")
    assert (found.version, found.model_version) == (report["model"]["version"], report["model_version"])
    assert found.run_id is not None
    client = MlflowClient(uri)
    run = client.get_run(found.run_id)
    assert run.data.params["towers.steps"] == "5"
    assert run.data.metrics["person_epsilon"] == pytest.approx(report["person_epsilon"])
    assert len(client.get_metric_history(found.run_id, "update_norm")) == 5
    assert not any("loss" in name or "recall" in name for name in run.data.metrics)
    told = {"plan.json", "statement.json", "registry_entry.json"}
    assert {f.path for f in client.list_artifacts(found.run_id)} == {"bundle", "plots", *told}


def test_progress_covers_every_stage(trained) -> None:
    finished = {stage for stage, done, total in trained.shown if done == total}
    assert {
        "plan",
        "popularity",
        "intervals",
        "rhythm",
        "season",
        "followups",
        "demand",
        "copurchase",
        "towers",
        "bundle",
        "tracking",
    } <= finished


def test_the_coordinator_mirrors_every_receipt(trained) -> None:
    mirrored = Ledger(trained.result.folder / "ledger.db").mirrored()
    assert {name: len(events) for name, events in mirrored.items()} == {
        name: spent["reservations"] for name, spent in trained.result.report["silos"].items()
    }
    assert json.loads((trained.result.folder / "report.json").read_text()) == trained.result.report


def test_finished_stages_are_not_done_again(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, applied = configured(), []

    def die_in_round_three(towers, gradient) -> None:
        applied.append(1)
        if len(applied) == 4:
            raise KeyboardInterrupt
        real(towers, gradient)

    real = gradient_rounds.Towers.apply
    monkeypatch.setattr(gradient_rounds.Towers, "apply", die_in_round_three)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    result = run_training(config)
    assert [run.run_id for run in runs(config.output)] == [result.run_id]
    assert result.report["attempts"] == 2
    # Rounds 1 and 2 were kept; 3 and 4 were done and charged twice.
    expected = [
        "popularity",
        "intervals",
        *["rhythm"] * 3,
        "season",
        "followups",
        "demand",
        "copurchase",
        *["towers"] * 4,
    ]
    assert charges(world) == dict.fromkeys(charges(world), expected)
    assert not result.report["within_target"]
    assert result.report["person_epsilon"] > result.plan.epsilon()


def test_items_start_and_move_with_their_category(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def keep(towers, gradient) -> None:
        seen.append((towers.parameters, gradient))
        raise KeyboardInterrupt

    config = configured("towers.init_shared=1", "towers.gradient_shared=10")
    monkeypatch.setattr(gradient_rounds.Towers, "apply", keep)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    categories = FederationConfig.load(world / "federation.toml").read_catalogue().categories
    places = np.unique(categories, return_inverse=True)[1]
    for values in seen[0]:
        rows = values.reshape(-1, config.towers.embedding_dim)[: len(places)]
        within = np.concatenate([rows[places == place].std(axis=0) for place in np.unique(places)])
        assert within.mean() < 0.2 * rows.std()


def test_finished_rounds_are_kept_and_the_one_under_way_is_charged_again(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, real, asked = configured(), rhythm_rounds.noised_total, []

    def die_after_round_two(*told, **options):
        asked.append(options["number"])
        noised = real(*told, **options)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return noised

    monkeypatch.setattr(rhythm_rounds, "noised_total", die_after_round_two)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    result = run_training(config)
    assert asked == [0, 1, 1, 2]
    expected = [
        "popularity",
        "intervals",
        *["rhythm"] * 4,
        "season",
        "followups",
        "demand",
        "copurchase",
        *["towers"] * 3,
    ]
    assert charges(world) == dict.fromkeys(charges(world), expected)
    assert not result.report["within_target"]


def test_popularity_may_be_two_sums_and_the_first_is_paid_for_once(
    configured: Configured, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, real, asked = configured("popularity.head.items=20"), stages.noised_total, []

    def die_before_the_second(session, stage, *told, **options):
        asked.append((stage, options.get("number", 0)))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(session, stage, *told, **options)

    monkeypatch.setattr(stages, "noised_total", die_before_the_second)
    with pytest.raises(KeyboardInterrupt):
        run_training(config)
    result = run_training(config)
    assert asked[:3] == [("popularity", 0), ("popularity", 1), ("popularity", 1)]
    spent = charges(world)
    assert spent
    assert all(silo[:3] == ["popularity", "popularity", "intervals"] for silo in spent.values())
    assert result.plan.release("popularity").rounds == 2
    assert result.report["within_target"]
    assert np.exp(read_bundle(result.bundle_folder).log_popularity).sum() == pytest.approx(1, abs=1e-4)


def test_rhythms_are_left_out_where_nobody_says_up_to_when_data_are_complete(configured: Configured) -> None:
    config = configured()
    config = config.model_copy(update={"rhythm": config.rhythm.model_copy(update={"as_of": None})})
    result = run_training(config)
    assert not result.plan.has("rhythm")
    assert {"rhythm", "season", "demand"} <= set(result.report["left_out"])
    assert "set 'until' or 'rhythm.as_of'" in result.report["left_out"]["season"]
    assert set(read_bundle(result.bundle_folder).intervals) == {"mean", "variance"}
    assert result.report["person_epsilon"] > 3.9


def test_fresh_starts_another_run_and_charges_the_same_ledgers(configured: Configured) -> None:
    config = configured()
    first = run_training(config)
    second = run_training(config, resume=False)
    assert first.run_id != second.run_id
    assert second.report["person_epsilon"] == pytest.approx(first.report["person_epsilon"])
    assert second.report["person_epsilon_lifetime"] > 1.2 * first.report["person_epsilon_lifetime"]
    assert second.report["model"]["version"] == 2


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


def test_order_numbers_leave_intervals_out(configured: Configured, world: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for folder in (world / "silos").iterdir():
        rows = pq.read_table(folder / "interactions.parquet")
        orders = pa.array(np.arange(len(rows)), pa.int64())
        kept = rows.drop_columns(["timestamp", "order_no"]).append_column("order_no", orders)
        pq.write_table(kept, folder / "interactions.parquet")
        edit(folder / "silo.toml", 'ordering = "timestamp"', 'ordering = "order_number"')
        edit(folder / "silo.toml", 'online = "online.sqlite"', "")
    result = run_training(configured())
    assert not result.plan.has("intervals")
    assert not result.plan.has("rhythm")
    assert not result.plan.has("season")
    assert not result.plan.has("followups")
    assert read_bundle(result.bundle_folder).intervals == {}
    assert result.report["person_epsilon"] > 3.9


def test_data_without_order_train_as_sets(configured: Configured, world: Path) -> None:
    import pyarrow.parquet as pq

    for folder in (world / "silos").iterdir():
        rows = pq.read_table(folder / "interactions.parquet")
        pq.write_table(rows.drop_columns(["timestamp", "order_no"]), folder / "interactions.parquet")
        edit(folder / "silo.toml", 'ordering = "timestamp"', 'ordering = "none"')
        edit(folder / "silo.toml", 'online = "online.sqlite"', "")
    result = run_training(configured())
    sequence = read_bundle(result.bundle_folder).manifest.sequence
    assert (sequence.needs_order, sequence.decay) == (False, 1.0)


@pytest.mark.parametrize("left_out", ["towers", "copurchase"])
def test_one_model_alone_is_enough(configured: Configured, left_out: str) -> None:
    kept = {"towers": "copurchase", "copurchase": "towers"}[left_out]
    shares = [f"privacy.shares.{left_out}=0", f"privacy.shares.{kept}=0.75"]
    result = run_training(configured(*shares))
    assert set(read_bundle(result.bundle_folder).manifest.blocks) == {kept, "profile"}
    assert not result.plan.has(left_out)


def test_a_season_that_six_weeks_cannot_tell_is_left_out_and_said_so(trained) -> None:
    assert trained.result.plan.has("season")
    assert "season" not in read_bundle(trained.result.bundle_folder).intervals
    assert "further than the years before 'until'" in trained.result.report["left_out"]["season"]


def test_follow_ups_are_in_the_bundle_where_they_were_looked_for(
    configured: Configured, trained, world: Path
) -> None:
    assert read_bundle(trained.result.bundle_folder).follow_ups == ()  # three hundred persons say nothing
    result = run_training(configured("privacy.shares.followups=0", "privacy.shares.towers=0.45"))
    assert read_bundle(result.bundle_folder).follow_ups is None
    names = set(FederationConfig.load(world / "federation.toml").read_catalogue().categories)
    excluded = json.dumps(sorted(names)[1:])
    result = run_training(configured(f"followups.exclude={excluded}"))
    assert not result.plan.has("followups")


def test_demand_is_in_the_bundle_where_it_was_asked_for(configured: Configured, trained, world: Path) -> None:
    bundle = read_bundle(trained.result.bundle_folder)
    model = DemandModel.from_arrays(bundle.demand, bundle.catalogue)
    assert model is not None
    silos = FederationConfig.load(world / "federation.toml").silo_configs()
    assert model.silos == tuple(sorted(silo.name for silo in silos))
    for silo in silos:
        forecast = model.forecast(silo.name, 7)
        carried = bundle.catalogue.indices(silo.base_silo().read(Table.ITEMS)["item_id"])
        assert forecast.areas[0] == ""
        assert len(forecast.areas) > 1
        assert np.isfinite(forecast.high).all()
        assert (forecast.expected[1:, carried] > 0).all()
        assert forecast.expected.sum() == pytest.approx(forecast.expected[:, carried].sum())
    without = configured("privacy.shares.demand=0", "privacy.shares.towers=0.45")
    assert not read_bundle(run_training(without).bundle_folder).demand


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


def test_two_processes_do_not_share_a_run(configured: Configured) -> None:
    config = configured()
    run = open_run(config.output, {}, resume=False)
    with run.locked(), pytest.raises(TrainingError, match="another process"), run.locked():
        pass


def test_every_charge_says_what_it_was_for_and_the_mirror_which_model_came_of_it(trained) -> None:
    report, config = trained.result.report, trained.config
    silos = FederationConfig.load(config.federation).silo_configs()
    charged = [row for silo in silos for row in Ledger(silo.ledger).rows() if row.kind == "reserve"]
    hashes = {row.details["config_hash"] for row in charged}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 64
    assert {row.details["window"] for row in charged} == {"all events"}
    assert {row.details["purpose"] for row in charged} == {"training"}
    assert all(row.details["code_hash"] and row.details["dependency_hash"] for row in charged)
    (model,) = [row for row in Ledger(trained.result.folder / "ledger.db").rows() if row.kind == "model"]
    assert model.details["model_version"] == report["model_version"]
    assert model.details["run_id"] == trained.result.run_id
    assert model.details["plan_fingerprint"] == report["plan_fingerprint"]
