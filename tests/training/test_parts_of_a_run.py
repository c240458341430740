"""Which parts a run has: what was asked for and its data can tell; the rest is left out, and said so."""

import json
from pathlib import Path

import numpy as np
import pytest

from recsys.bundle.store import read_bundle
from recsys.data.contracts import Table
from recsys.models.demand_forecast import DemandModel
from recsys.silos.config import FederationConfig
from tests.training.worlds import Configured, edit
from training.run import run_training


def test_rhythms_are_left_out_where_nobody_says_up_to_when_data_are_complete(configured: Configured) -> None:
    config = configured()
    config = config.model_copy(update={"rhythm": config.rhythm.model_copy(update={"as_of": None})})
    result = run_training(config)
    assert not result.plan.has("rhythm")
    assert {"rhythm", "season", "demand"} <= set(result.report["left_out"])
    assert "set 'until' or 'rhythm.as_of'" in result.report["left_out"]["season"]
    assert set(read_bundle(result.bundle_folder).intervals) == {"mean", "variance"}
    assert result.report["person_epsilon"] > 3.9


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
