"""Purchases of a file, dealt to silos by a public rule."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.dealing import deal, read_purchases
from experiments.spec import FileData
from recsys.data.contracts import Table
from recsys.data.history import Ordering
from recsys.errors import ConfigError
from recsys.silos.config import FederationConfig

DATA = FileData(
    source="file",
    file=Path("baskets.parquet"),
    ordering=Ordering.ORDER_NUMBER,
    silos=3,
    registered_customers=40,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = [
        (c, int(item), order)
        for c in range(60)
        for order in range(1, 5)
        for item in random.integers(0, 20, 3)
    ]
    columns = zip(*rows, strict=True)
    table = dict(zip(("customer_id", "item_id", "order_no"), map(list, columns), strict=True))
    pq.write_table(pa.table(table), tmp_path / "baskets.parquet")
    return tmp_path


def test_every_customer_is_in_one_silo_and_no_target_is_written(folder: Path) -> None:
    purchases = read_purchases(DATA, folder)
    federation, split, silo_of = deal(purchases, DATA, folder / "silos")
    assert len(split.customers) == len(silo_of) == 60
    loaded = FederationConfig.load(federation)
    assert loaded.max_silos_per_person == 3
    written: set[tuple[str, str, int]] = set()
    for number, config in enumerate(loaded.silo_configs()):
        silo = config.base_silo()
        rows = silo.read(Table.INTERACTIONS)
        members = set(rows["customer_id"].to_pylist())
        assert members == {purchases.customer_ids[c] for c in np.flatnonzero(silo_of == number)}
        written |= set(
            zip(*(rows[name].to_pylist() for name in ("customer_id", "item_id", "order_no")), strict=True)
        )
    assert max(order for _, _, order in written) == 3


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"other\.parquet: no such file.*--data"):
        read_purchases(DATA.model_copy(update={"file": Path("other.parquet")}), folder)
    with pytest.raises(ConfigError, match="no column 'timestamp'"):
        read_purchases(DATA.model_copy(update={"ordering": Ordering.TIMESTAMP}), folder)
