import pyarrow as pa

from recsys.data.areas import ELSEWHERE, area_codes, area_names
from recsys.data.contracts import CONTRACTS, Table, empty


def stores(**areas: str | None) -> pa.Table:
    schema = CONTRACTS[Table.STORES].schema
    columns = {name: [None] * len(areas) for name in schema.names}
    return pa.table({**columns, "store_id": list(areas), "area": list(areas.values())}, schema=schema)


def codes(ids: list[str | None], table: pa.Table) -> list[int]:
    return area_codes(pa.chunked_array([pa.array(ids, pa.string())]), table).tolist()


def test_areas_are_sorted_after_the_rest_of_the_silo() -> None:
    assert area_names(stores(a="west", b="east", c=None, d="west")) == (ELSEWHERE, "east", "west")
    assert area_names(stores(a=None)) == (ELSEWHERE,)
    assert area_names(empty(Table.STORES)) == (ELSEWHERE,)


def test_events_are_in_their_stores_area() -> None:
    table = stores(a="west", b="east", c=None)
    assert codes(["a", "b", "c", None, "nobody's", "a"], table) == [2, 1, 0, 0, 0, 2]
    assert codes([], table) == []
    assert codes(["a", None], empty(Table.STORES)) == [0, 0]
    assert codes(["c"], stores(c=None)) == [0]
