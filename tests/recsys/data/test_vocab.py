from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from recsys.data.contracts import CONTRACTS, Table
from recsys.data.vocab import Catalogue
from recsys.errors import UnknownItemError


def test_items_are_numbered_in_sorted_order(catalogue: Catalogue) -> None:
    assert catalogue.item_ids == ("apple", "bread", "milk")
    assert len(catalogue) == 3
    assert [catalogue.index(item) for item in catalogue.item_ids] == [0, 1, 2]
    assert catalogue.titles == ("Apple", "", "Milk")
    assert catalogue.consumable.tolist() == [False, False, True]
    np.testing.assert_allclose(catalogue.prices, [0.3, np.nan, 1.2])


def test_unknown_item_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownItemError, match="'caviar'"):
        catalogue.index("caviar")


@pytest.mark.parametrize(
    "wrap", [list, pa.array, lambda ids: pa.chunked_array([ids[:1], ids[1:]], pa.string())]
)
def test_many_indices_at_once(catalogue: Catalogue, wrap: object) -> None:
    indices = catalogue.indices(wrap(["milk", "caviar", "apple"]))  # type: ignore[operator]
    assert indices.dtype == np.int32
    assert indices.tolist() == [2, -1, 0]
    assert catalogue.indices([]).tolist() == []


def test_codes_name_every_value(catalogue: Catalogue) -> None:
    codes, names = catalogue.category_codes
    assert [names[code] for code in codes] == list(catalogue.categories)
    brand_codes, brands = catalogue.brand_codes
    assert brands == ("", "A", "B")
    assert brand_codes.tolist() == [0, 1, 2]
    assert catalogue.department_codes[1] == ("",)


def test_round_trip_through_a_table(catalogue: Catalogue) -> None:
    table = catalogue.to_table()
    assert table.schema == CONTRACTS[Table.ITEMS].schema
    assert table["price"].null_count == 1
    again = Catalogue.from_table(table)
    assert again.hash == catalogue.hash
    assert (again.titles, again.brands) == (catalogue.titles, catalogue.brands)
    np.testing.assert_array_equal(again.prices, catalogue.prices)
    np.testing.assert_array_equal(again.consumable, catalogue.consumable)


def test_ids_alone_are_enough_and_order_does_not_matter() -> None:
    first = Catalogue.from_table(pa.table({"item_id": ["b", "a"]}))
    second = Catalogue.from_table(pa.table({"item_id": ["a", "b"]}))
    assert first.hash == second.hash
    assert first.titles == ("", "")
    assert np.isnan(first.prices).all()
    assert not first.consumable.any()
    assert first.hash != Catalogue.from_table(pa.table({"item_id": ["a", "c"]})).hash
