import pyarrow as pa
import pytest

from recsys.data.contracts import Table, empty
from recsys.errors import BundleError
from serving.items.assortment import Assortment
from tests.recsys.bundle_builder import make_catalogue

CATALOGUE = make_catalogue(6)
NO_STOCK = empty(Table.STOCK)


def table(*item_ids: str) -> pa.Table:
    return pa.table({"item_id": list(item_ids)})


def test_without_tables_everything_is_available() -> None:
    assert Assortment.of(CATALOGUE, empty(Table.ITEMS), NO_STOCK).available.all()


def test_items_outside_the_catalogue_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assortment = Assortment.of(CATALOGUE, table("item-001", "new-1", "new-2"), NO_STOCK)
    assert assortment.available.tolist() == [False, True, False, False, False, False]
    assert "2 of the silo's items" in caplog.text


def test_a_silo_with_another_catalogue_is_refused() -> None:
    with pytest.raises(BundleError, match="none of the silo's 2 items"):
        Assortment.of(CATALOGUE, table("a", "b"), NO_STOCK)


def test_stock_of_unknown_items_does_not_matter() -> None:
    stock = pa.table({"item_id": ["new-1", "item-002"], "quantity": [0.0, 0.0]})
    assert Assortment.of(CATALOGUE, empty(Table.ITEMS), stock).available.sum() == 5


def test_an_unknown_price_is_null() -> None:
    priceless = CATALOGUE.to_table().drop_columns(["price"])
    details = Assortment.of(type(CATALOGUE).from_table(priceless), empty(Table.ITEMS), NO_STOCK).details
    assert details[0]["price"] is None
