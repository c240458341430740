"""Conditions on the values of a column, vectorised: each marks the offending rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

MOST_UNITS = 1e6
"""Units of an item at once; more is a mistake in the data."""

FIRST_TIME = datetime(1900, 1, 1, tzinfo=UTC)
"""Nothing was bought before; calendars have no day for what is far older."""


@dataclass(frozen=True)
class Check:
    """A condition; `bad` maps a column to bool of the same length (null for missing values, which pass)."""

    bad: Callable[[pa.ChunkedArray], pa.ChunkedArray]
    problem: str
    remedy: str


def one_of(allowed: Iterable[str]) -> Check:
    """The value is one of a fixed set of words."""
    words = list(allowed)
    value_set = pa.array(words)

    def bad(values: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.and_(pc.invert(pc.is_in(values, value_set=value_set)), pc.is_valid(values))

    return Check(bad, "unknown word", f"use one of {', '.join(words)}")


def between(low: float, high: float, unit: str) -> Check:
    """The number lies in [low, high]; NaN does not."""

    def bad(values: pa.ChunkedArray) -> pa.ChunkedArray:
        return pc.invert(pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high)))

    return Check(bad, "out of range", f"give {unit} between {low:g} and {high:g}")


def _not_a_count(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.and_(pc.greater_equal(values, 0.0), pc.is_finite(values)))


def _not_clock(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.match_substring_regex(values, r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$"))


NOT_EMPTY = Check(
    lambda values: pc.equal(values, ""), "empty id", "give every row an id, or leave the row out"
)
NOT_NEGATIVE = Check(
    _not_a_count,
    "negative or not a finite number",
    "give a number of at least 0",
)
UNITS = Check(
    between(0.0, MOST_UNITS, "units").bad,
    f"negative, above {MOST_UNITS:,.0f}, or not a finite number",
    f"give a number of at least 0 and at most {MOST_UNITS:,.0f} (write returns as event 'return' with a "
    "positive quantity)",
)
SINCE_FIRST_TIME = Check(
    lambda values: pc.less(values, pa.scalar(FIRST_TIME, pa.timestamp("us", tz="UTC"))),
    f"before the year {FIRST_TIME.year}",
    "correct the time, or leave the row out",
)
POSITIVE = Check(lambda values: pc.less(values, 1), "below 1", "count from 1, or leave it empty")
LATITUDE = between(-90.0, 90.0, "degrees north")
LONGITUDE = between(-180.0, 180.0, "degrees east")
CLOCK_TIME = Check(_not_clock, "not a time of day", "write HH:MM, from 00:00 to 24:00")
