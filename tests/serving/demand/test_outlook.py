import numpy as np
import pyarrow as pa
import pytest

from recsys.data.contracts import CONTRACTS, Table, empty
from recsys.data.history import SECONDS_PER_DAY
from recsys.models.demand_forecast import DemandModel
from serving.demand.outlook import Outlook
from tests.recsys.bundle_builder import make_catalogue
from tests.serving.builder import N_ITEMS, item
from tests.serving.demand.builder import demand_arrays

CATALOGUE = make_catalogue(N_ITEMS)
MODEL = DemandModel.from_arrays(demand_arrays(), CATALOGUE)
STORES = pa.table({"store_id": ["s-1", "s-2", "s-3"], "area": ["east", "west", None]})
NOW = 1_800_000_000


def stock(*rows: tuple[str, str, float]) -> pa.Table:
    schema = CONTRACTS[Table.STOCK].schema
    columns = dict(zip(("store_id", "item_id", "quantity"), zip(*rows, strict=True), strict=True))
    return pa.table({**columns, "updated_at": [None] * len(rows)}, schema=schema)


def outlook(*rows: tuple[str, str, float], stores: pa.Table = STORES) -> Outlook:
    made = Outlook.of(MODEL, "north", CATALOGUE, stores, stock(*rows))
    assert made is not None
    return made


def test_units_last_as_long_as_in_the_area_that_has_them_longest() -> None:
    found = outlook(
        ("s-1", item(0), 3.0), ("s-2", item(0), 3.0), ("s-1", item(1), 0.0), ("s-9", "unknown", 1.0)
    )
    assert found.lasts[0] == pytest.approx(3.0 / 0.3)  # 0.3 units a day in the west
    assert found.lasts[1] == 0.0
    assert np.isinf(found.lasts[2:]).all()
    assert outlook(("s-3", item(0), 2.0)).lasts[0] == pytest.approx(2.0 / 0.1)
    assert outlook(("s-1", item(0), 2.0), stores=empty(Table.STORES)).lasts[0] == pytest.approx(2.0 / 0.1)


def test_a_need_is_warned_of_within_a_week() -> None:
    found = outlook(("s-1", item(0), 1.2))  # two days
    days = [0, 1, 3, 7, 8]
    told = [found.out_by(0, NOW + day * SECONDS_PER_DAY, NOW) for day in days]
    assert told == [False, False, True, True, False]
    assert not found.out_by(5, NOW + 3 * SECONDS_PER_DAY, NOW)


def test_without_forecast_or_stock_nothing_is_said() -> None:
    some = stock(("s-1", item(0), 1.0))
    assert Outlook.of(None, "north", CATALOGUE, STORES, some) is None
    assert Outlook.of(MODEL, "south", CATALOGUE, STORES, some) is None
    assert Outlook.of(MODEL, "north", CATALOGUE, STORES, empty(Table.STOCK)) is None
