"""Times as a silo may write them, as UTC: text, dates, naive or aware timestamps, Unix seconds."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from recsys.data.source import Source, first_failing

NAIVE = pa.timestamp("us")
UTC = pa.timestamp("us", tz="UTC")
LAST_SECOND = 253_402_300_799  # the end of the year 9999
WITH_ZONE = r":\d\d[\d.]*(Z|z|[+-]\d{2}(:?\d{2})?)$"
WRITE_ISO = "write ISO 8601 (2024-05-31T14:05:00 or 2024-05-31T14:05:00+02:00) or Unix seconds"


def to_utc(source: Source, column: str, values: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    """The column as timestamp[us, UTC].

    Aware times are converted; naive ones (and dates, as midnight) are read in the silo's `timezone`, an hour
    that occurs twice as its first occurrence; whole numbers are Unix seconds. Raises DataContractError for a
    text column that mixes aware and naive times, and for anything that is not a time.
    """
    if pt.is_integer(values.type):
        return _from_seconds(source, column, values)
    if pt.is_timestamp(values.type):
        return _localise(_truncate(source, column, values), timezone)
    if pt.is_date(values.type):
        return _localise(values.cast(NAIVE), timezone)
    if pt.is_string(values.type):
        return _from_text(source, column, values, timezone)
    raise source.error(f"wrong type {values.type}, expected a time", WRITE_ISO, column=column)


def _from_text(source: Source, column: str, values: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    for target in (NAIVE, UTC, pa.int64()):
        try:
            parsed = values.cast(target)
        except pa.ArrowInvalid:
            continue
        return _from_seconds(source, column, parsed) if target == pa.int64() else _localise(parsed, timezone)
    raise _why_not_a_time(source, column, values)


def _why_not_a_time(source: Source, column: str, values: pa.ChunkedArray) -> Exception:
    aware = pc.match_substring_regex(values, WITH_ZONE).fill_null(False)
    naive_row, aware_row = pc.index(aware, False).as_py(), pc.index(aware, True).as_py()
    for target, kept in ((UTC, aware), (NAIVE, pc.invert(aware))):
        part = pc.if_else(kept, values, pa.scalar(None, pa.string()))
        try:
            part.cast(target)
        except pa.ArrowInvalid:
            row = first_failing(part, partial(_to, target))
            return source.error("wrong type, expected a time", WRITE_ISO, column=column, row=row)
    return source.error(
        f"mixed time zones: this time and row {min(naive_row, aware_row) + 1} differ in having a UTC offset",
        "write all times with an offset, or all without",
        column=column,
        row=max(naive_row, aware_row),
    )


def _to(target: pa.DataType, piece: pa.ChunkedArray) -> pa.ChunkedArray:
    return piece.cast(target)


def _from_seconds(source: Source, column: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    seconds = values.cast(pa.int64())
    beyond = pc.index(pc.greater(pc.abs_checked(seconds), LAST_SECOND), True).as_py()
    if beyond >= 0:
        raise source.error(
            "Unix time beyond the year 9999", "give seconds, not milliseconds", column=column, row=beyond
        )
    return pc.multiply(seconds, 1_000_000).cast(UTC)


def _truncate(source: Source, column: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    target = pa.timestamp("us", tz=values.type.tz)
    if values.type.unit == "ns":
        return pc.cast(values, target, safe=False)
    try:
        return values.cast(target)
    except pa.ArrowInvalid:
        row = first_failing(values, partial(_to, target))
        raise source.error("time out of range", WRITE_ISO, column=column, row=row) from None


def _localise(values: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    if values.type.tz is None and timezone != "UTC":
        values = pc.assume_timezone(values, timezone, ambiguous="earliest", nonexistent="latest")
    return values.cast(UTC)
