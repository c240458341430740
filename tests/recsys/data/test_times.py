"""A row's time is what it is alone: no other row's way of writing changes or removes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.conform import conform
from recsys.data.contracts import Table
from recsys.data.sift import sift
from recsys.errors import DataContractError

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Zagreb")
HOUR_ONLY = ["2024-05-31T14Z", "2024-05-31T14+02:00", "2024-05-31T14+0200", "2024-05-31 14+02"]
OTHERS = ["2024-05-31T14:00:00", "2024-05-31", "1700000000", "junk", "", " 2024-05-31", None]

days = st.sampled_from(
    [
        "2024-05-31",
        "2023-10-29",
        "2024-03-31",
        "1969-12-31",
        "1850-01-01",
        "2190-01-01",
        "2024-02-30",
        "24-5-1",
    ]
)
between = st.sampled_from(["T", " ", "t", "  "])
clocks = st.sampled_from(
    [
        "",
        "14",
        "02:30",
        "02:30:00",
        "14:05:06",
        "14:05:06.5",
        "14:05:06.123456",
        "14:05:06.123456789",
        "25:00",
    ]
)
zones = st.sampled_from(
    ["", "", "Z", "z", "+02", "+0200", "+02:00", "-11:30", " +02", "+2", "+99:00", "Zagreb"]
)
written = st.builds(lambda *parts: "".join(parts), days, between, clocks, zones) | days
numbers = st.sampled_from(
    ["0", "-1", "1700000000", "0x10", "1e9", "1.5", "99999999999999", "9" * 30, "+5", "1_0"]
)
junk = st.sampled_from(["", " ", "junk", "2024", "202405", "20240531", "NaN", "0x", "-", "T", "2024-05-31T"])
spaced = st.builds(
    lambda text, before, after: before + text + after, written, *[st.sampled_from(["", " "])] * 2
)
texts = st.none() | written | spaced | numbers | junk


def rows(times: list[str | None]) -> pa.Table:
    count = len(times)
    return pa.table(
        {
            "event_id": [str(row) for row in range(count)],
            "customer_id": [f"c{row}" for row in range(count)],
            "item_id": ["x"] * count,
            "timestamp": pa.array(times, pa.string()),
        }
    )


def sifted(times: list[str | None], timezone: str) -> dict[int, datetime]:
    kept = sift(
        Table.INTERACTIONS, rows(times), source="rows", timezone=timezone, now=NOW, ordered_by="timestamp"
    )
    return dict(zip(map(int, kept["event_id"].to_pylist()), kept["timestamp"].to_pylist(), strict=True))


def strict(times: list[str | None], timezone: str) -> dict[int, datetime] | None:
    """None where strict reading refuses."""
    try:
        read = conform(Table.INTERACTIONS, rows(times), source="rows", timezone=timezone, now=NOW)
    except DataContractError:
        return None
    return dict(enumerate(read["timestamp"].to_pylist()))


@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.evidence
def test_a_row_has_the_time_that_it_has_alone(
    timezone: str, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    seen = {"rows": 0, "kept": 0, "strict": 0, "other": 0}

    @settings(max_examples=counted(60, 3000), deadline=None, database=None)
    @given(st.lists(texts, min_size=1, max_size=12))
    def holds(times: list[str | None]) -> None:
        alone = [sifted([time], timezone).get(0) for time in times]
        for time, one in zip(times, alone, strict=True):
            if time is not None:
                assert strict([time], timezone) == (None if one is None else {0: one}), time
        expected = {row: time for row, time in enumerate(alone) if time is not None}
        together, whole = sifted(times, timezone), strict(times, timezone)
        seen["rows"] += len(times)
        seen["kept"] += len(expected)
        seen["strict"] += whole is not None
        seen["other"] += sum(together.get(row) != expected.get(row) for row in range(len(times)))
        assert together == expected
        if whole is not None and None not in times:
            assert whole == expected

    holds()
    assert min(seen["kept"], seen["strict"]) > 0
    evidence(
        f"times as text, read alone, in mixtures, strictly and tolerantly, in {timezone}",
        bar="0 rows with another time than alone",
        measured=f"{seen['other']} of {seen['rows']:,} rows, {seen['kept']:,} of them times",
    )


@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.parametrize("other", OTHERS)
def test_an_hour_with_a_zone_is_read_beside_every_other_form(other: str | None, timezone: str) -> None:
    alone = sifted([*HOUR_ONLY], timezone)
    assert sorted(alone) == [0, 1, 2, 3]
    beside = sifted([*HOUR_ONLY, other], timezone)
    assert {row: time for row, time in beside.items() if row < len(HOUR_ONLY)} == alone
    assert alone[0].hour == 14
    assert {alone[row].hour for row in (1, 2, 3)} == {12}


@given(texts)
@settings(deadline=None)
def test_no_text_is_read_by_two_casts(text: str | None) -> None:
    read = 0
    for kind in (pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.int64()):
        try:
            pa.array([text], pa.string()).cast(kind)
            read += text is not None
        except pa.ArrowInvalid:
            continue
    assert read <= 1


@pytest.mark.parametrize(
    "ancient", ["1899-12-31T23:59:59", "0001-01-01", "-9999999999", "1900-01-01T00:30+01:00"]
)
def test_a_time_before_all_commerce_is_named_and_set_aside(ancient: str) -> None:
    with pytest.raises(DataContractError, match=r"row 1, column 'timestamp', .*before the year 1900"):
        conform(Table.INTERACTIONS, rows([ancient]), source="rows", now=NOW)
    assert sifted([ancient, "1900-01-01"], "UTC") == {1: datetime(1900, 1, 1, tzinfo=UTC)}
