"""Any folder that meets the data contract, split by every protocol; what does not fit is named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.quality.protocols import Protocol, split, validation
from experiments.quality.run import QualityOptions, run_quality
from experiments.quality.seeds import run_all
from experiments.quality.tables import read_purchases
from recsys.errors import ConfigError, DataContractError

DAY = 86_400


def write(folder: Path, name: str = "transactions", **changes: object) -> Path:
    random = np.random.default_rng(0)
    rows = 6_000
    columns: dict[str, object] = {
        "customer_id": random.integers(0, 120, rows),
        "item_id": (random.random(rows) ** 2 * 150).astype(np.int64),
        "timestamp": random.integers(0, 5, rows) * 20 * DAY,
        "store_id": random.integers(0, 6, rows),
        "split": np.where(random.random(rows) < 0.1, "test", "train"),
    }
    kept = {key: value for key, value in (columns | changes).items() if value is not None}
    pq.write_table(pa.table(kept), folder / f"{name}.parquet")
    stores = {"store_id": list(range(6)), "region": ["North", "North", "South", "South", "East", "East"]}
    pq.write_table(pa.table(stores), folder / "stores.parquet")
    return folder


@pytest.mark.parametrize("protocol", list(Protocol))
def test_no_target_is_learned_from_or_shown(tmp_path: Path, protocol: Protocol) -> None:
    data = read_purchases(write(tmp_path))
    trial = split(data, protocol)
    for made in (trial, validation(trial, protocol, seed=0)):
        assert len(made.customers) == len(made.shown) == len(made.wanted) > 0
        assert (np.diff(made.wanted.offsets) > 0).all()
        assert not (made.target & made.train).any()
        assert not (made.target & made.visible).any()
    if protocol in (Protocol.BASKET_COMPLETION, Protocol.STRONG_GENERALISATION):
        assert not np.isin(trial.customers, trial.learners).any()
        pairs = trial.histories.rows * trial.n_items + trial.histories.items
        assert not np.isin(pairs[trial.target], pairs[trial.visible]).any()
    if protocol is Protocol.TEMPORAL:
        assert trial.histories.times[trial.train].max() < trial.histories.times[trial.target].min()


@pytest.mark.parametrize("protocol", list(Protocol))
def test_methods_run_side_by_side(tmp_path: Path, protocol: Protocol) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    methods = ("popularity", "gp_topfreq", "item_knn")
    options = QualityOptions(write(folder), protocol, "column:region", 2.0, methods=methods)
    found = run_quality(options, tmp_path / "work").to_dict()
    assert found["silos"] == 3
    assert list(found["methods"]) == list(methods)
    for figures in found["methods"].values():
        assert figures["private"] is False
        for name in ("recall_at_10", "recall_at_20", "ndcg_at_10", "ndcg_at_100", "hit_at_10"):
            assert 0.0 <= figures[name] <= 1.0
        assert 0.0 < figures["coverage"] <= 1.0


def test_items_and_order_are_not_needed_but_named_where_a_protocol_needs_them(tmp_path: Path) -> None:
    data = read_purchases(write(tmp_path, timestamp=None, split=None))
    assert len(split(data, Protocol.STRONG_GENERALISATION).customers) == 24
    with pytest.raises(
        ConfigError, match=r"transactions\.parquet: neither column 'timestamp' nor 'order_no'"
    ):
        split(data, Protocol.NEXT_BASKET)
    with pytest.raises(ConfigError, match="column 'timestamp' is missing"):
        split(data, Protocol.TEMPORAL)
    with pytest.raises(ConfigError, match="no column 'split' with 'test'"):
        split(data, Protocol.LEAVE_ONE_OUT)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none of interactions"):
        read_purchases(tmp_path)
    write(tmp_path, item_id=None)
    with pytest.raises(DataContractError, match=r"transactions\.parquet, column 'item_id': missing column"):
        read_purchases(tmp_path)
    write(tmp_path, customer_id=[None] + ["a"] * 5_999)
    with pytest.raises(DataContractError, match="row 1, column 'customer_id': missing value"):
        read_purchases(tmp_path)
    write(tmp_path, event=["view"] * 6_000)
    with pytest.raises(DataContractError, match="column 'event', value 'view'"):
        read_purchases(tmp_path)
    for value, words in ((-2.0, "value '-2.0'"), (float("nan"), "value 'nan'"), ("two", "value 'string'")):
        write(tmp_path, quantity=[value] * 6_000)
        with pytest.raises(DataContractError, match=f"column 'quantity', {words}"):
            read_purchases(tmp_path)
    write(tmp_path)
    with pytest.raises(ConfigError, match="no column 'brand' in"):
        read_purchases(tmp_path, "brand")
    with pytest.raises(ConfigError, match="unknown; choose from"):
        QualityOptions(tmp_path, Protocol.TEMPORAL, "4", 1.0, methods=("magic",))
    options = QualityOptions(tmp_path, Protocol.TEMPORAL, "4", 1.0)
    with pytest.raises(ConfigError, match="confirm with --research-data"):
        run_all(options, [0], command="", research_data=False, output=tmp_path)
