"""Numbers, truth values, ids and typed times: a row is read alone as it is read beside any other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recsys.data.conform import conform
from recsys.data.contracts import Table
from recsys.data.sift import sift
from recsys.errors import DataContractError

NOW = datetime(2025, 1, 1, tzinfo=UTC)
NUMBERS = [
    "1",
    "1.0",
    "1e3",
    "5.",
    ".5",
    "1_000",
    "0x10",
    "0X1f",
    "1,5",
    "007",
    "+5",
    "-0",
    "1e400",
    "1e-400",
]
NUMBERS += ["NaN", "nan", "inf", "-inf", "Infinity", "x", "\u0663", "", " ", " 5", "5 ", "\t6", "\u00a07"]
NUMBERS += ["9223372036854775807", "9223372036854775808", "0.1" * 20]
TRUTHS = [
    "true",
    "True",
    "TRUE",
    "tRuE",
    "1",
    "01",
    "yes",
    "y",
    "t",
    "false",
    "0",
    "F",
    "",
    " true ",
    "2",
    "-1",
]
IDS = ["a", " a", "a ", "\u00a0b", "", " ", "7", "07", "e\u0301", "\u00e9", "\0", "a\0b", None]
LARGE = 2**53 + 1
FAR = (0, 1, 1_700_000_000, -1, 10**12, -(2**62), 2**62, 2**63 - 1, None)
INTERACTION = {"customer_id": "c", "item_id": "i"}
CUSTOMER = {"customer_id": "c", "consent_training": "true", "consent_personalisation": "true"}


def array(values: Any, kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind)


def far(kind: pa.DataType) -> pa.Array:
    return pa.array(FAR, pa.int64()).view(kind)


COLUMNS: list[tuple[str, pa.Array]] = [
    *[(column, array(NUMBERS, pa.string())) for column in ("quantity", "price", "order_no", "person_rank")],
    *[(column, array([*NUMBERS, None], pa.large_string())) for column in ("quantity", "order_no")],
    *[(column, array(NUMBERS, pa.string()).dictionary_encode()) for column in ("quantity", "order_no")],
    ("quantity", array([0.1, 2.5, np.nan, np.inf, -0.0, 1e30, None], pa.float32())),
    ("order_no", array([1.0, 2.5, np.nan, np.inf, 2.0**53, 2.0**54, 2.0**63, None], pa.float64())),
    ("order_no", array([0, LARGE, 2**63, 2**64 - 1, None], pa.uint64())),
    ("quantity", array([0, 1, LARGE, 2**63 - 1, None], pa.int64())),
    ("price", array([Decimal("0.10"), Decimal("9" * 30), Decimal("-1"), None], pa.decimal128(38, 2))),
    ("order_no", array([Decimal("1.00"), Decimal("1.50"), Decimal("9" * 30), None], pa.decimal128(38, 2))),
    *[("consent_training", array([*TRUTHS, None], kind)) for kind in (pa.string(), pa.large_string())],
    ("consent_training", array([0, 1, 2, -1, None], pa.int8())),
    *[(column, array(IDS, pa.string())) for column in ("customer_id", "item_id", "store_id", "event_id")],
    ("customer_id", array(IDS, pa.string_view())),
    ("item_id", array(IDS, pa.string()).dictionary_encode()),
    ("item_id", array([0, 7, 2**64 - 1, None], pa.uint64())),
    *[("timestamp", far(pa.timestamp(unit))) for unit in ("s", "ms", "us", "ns")],
    *[("timestamp", far(pa.timestamp(unit, tz="Asia/Tokyo"))) for unit in ("s", "ms", "us", "ns")],
    ("timestamp", far(pa.date64())),
    ("timestamp", array([0, 19_000, -(2**31), 2**31 - 1, None], pa.int32()).view(pa.date32())),
    ("timestamp", pa.array(FAR, pa.int64())),
]


def table(column: str, values: pa.Array, fixed: dict[str, str]) -> pa.Table:
    others = {name: [text] * len(values) for name, text in fixed.items() if name != column}
    return pa.table(others | {column: values})


def read(column: str, values: pa.Array) -> tuple[Table, pa.Table]:
    """Every row is another customer's, unless the customers are what is read."""
    listed = column in ("consent_training", "person_rank")
    data = table(column, values, CUSTOMER if listed else INTERACTION)
    if column != "customer_id":
        place, rows = data.schema.get_field_index("customer_id"), [str(row) for row in range(len(data))]
        data = data.set_column(place, "customer_id", pa.array(rows))
    return (Table.CUSTOMERS if listed else Table.INTERACTIONS), data


def sifted(column: str, values: pa.Array) -> list[str]:
    kind, data = read(column, values)
    kept = sift(kind, data, source="rows", timezone="Europe/Zagreb", now=NOW)
    return [repr(value) for value in kept[column].cast(_plain(kept[column].type)).to_pylist()]


def strict(column: str, values: pa.Array) -> list[str] | None:
    kind, data = read(column, values)
    try:
        kept = conform(kind, data, source="rows", timezone="Europe/Zagreb", now=NOW)
    except DataContractError:
        return None
    return [repr(value) for value in kept[column].cast(_plain(kept[column].type)).to_pylist()]


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_timestamp(kind) else kind


@pytest.mark.parametrize(("column", "values"), COLUMNS, ids=[f"{name}-{held.type}" for name, held in COLUMNS])
def test_a_value_is_read_alone_as_beside_any_other(
    column: str, values: pa.Array, counted: Callable[[int, int], int]
) -> None:
    places = range(len(values))
    alone = [sifted(column, values.slice(place, 1)) for place in places]
    assert any(alone)
    for place in places:
        found = strict(column, values.slice(place, 1))
        assert (found or []) == alone[place] or values[place].as_py() is None, values[place]
    rng = np.random.default_rng(7)
    pairs = list(permutations(places, 2))
    draws = [rng.permutation(len(values)) for _ in range(counted(5, 200))]
    for order in [*(pairs[at] for at in rng.permutation(len(pairs))[: counted(60, 10_000)]), *draws]:
        mixed = pa.concat_arrays([values.slice(place, 1) for place in order])
        expected = [one for place in order for one in alone[place]]
        assert sifted(column, mixed) == expected
        assert strict(column, mixed) in (None, expected)
