"""Times as a silo may write them, as UTC: text, dates, naive or aware timestamps, Unix seconds."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from recsys.data.judges import Convert, Judge, converted_each

NAIVE = pa.timestamp("us")
UTC = pa.timestamp("us", tz="UTC")
LAST_SECOND = 253_402_300_799  # the end of the year 9999
LIKELY_ZONED, LIKELY_WHOLE = r"[T ].*(Z|[+-][\d:]+)$", r"^-?\d+$"
"""What is tried together, for speed alone: what a row is, the casts say."""
WRITE_ISO = "write ISO 8601 (2024-05-31T14:05:00 or 2024-05-31T14:05:00+02:00) or Unix seconds"
NOT_A_TIME = "wrong type, expected a time"


def to_utc(judge: Judge, column: str, values: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    """The column as timestamp[us, UTC].

    Aware times are converted; naive ones (and dates, as midnight) are read in the silo's `timezone`, an hour
    that occurs twice as its first occurrence; whole numbers are Unix seconds. A text says by itself which of
    the three it is, whatever is in other rows. Raises DataContractError for a column that cannot hold times.
    What is not a time, and text that mixes aware and naive times, is the judge's to settle.
    """
    localise = partial(_localise, timezone)
    if pt.is_integer(values.type):
        return _from_seconds(judge, column, judge.convert(column, values, _whole, NOT_A_TIME, WRITE_ISO))
    if pt.is_timestamp(values.type) or pt.is_date(values.type):
        return judge.convert(column, values, localise, "time out of range", WRITE_ISO)
    if pt.is_string(values.type):
        return _from_text(judge, column, values, localise)
    raise judge.source.error(f"wrong type {values.type}, expected a time", WRITE_ISO, column=column)


def _from_text(judge: Judge, column: str, values: pa.ChunkedArray, localise: Convert) -> pa.ChunkedArray:
    """Each row as the one of Arrow's casts reads it that can: to naive time, to UTC or to a whole number."""
    casts: tuple[Convert, ...] = (
        lambda piece: localise(piece.cast(NAIVE)),
        lambda piece: localise(piece.cast(UTC)),
        _whole,
    )
    forms = _forms(values, casts)
    naive, zoned, whole = (cast(_only(values, pc.equal(forms, form))) for form, cast in enumerate(casts))
    judge.refuse(column, pc.and_(pc.is_valid(values), pc.is_null(forms)), NOT_A_TIME, WRITE_ISO)
    _require_one_form(judge, column, zoned, naive, whole)
    return pc.coalesce(zoned, naive, _from_seconds(judge, column, whole))


def _forms(values: pa.ChunkedArray, casts: tuple[Convert, ...]) -> pa.ChunkedArray:
    """For each text the place of the cast that can read it, null where none can; of missing texts, any place.

    No text can be read by two, so that whether rows are tried together or alone makes no difference.
    """

    def form(piece: pa.ChunkedArray) -> pa.ChunkedArray:
        for place, cast in enumerate(casts):
            try:
                cast(piece)
            except pa.ArrowInvalid:
                continue
            return pa.chunked_array([pa.repeat(pa.scalar(place, pa.int8()), len(piece))])
        raise pa.ArrowInvalid("rows of several forms, or of none")

    try:
        return form(values)
    except pa.ArrowInvalid:
        zoned, whole = (pc.match_substring_regex(values, likely) for likely in (LIKELY_ZONED, LIKELY_WHOLE))
        alike = (zoned, whole, pc.invert(pc.or_(zoned, whole)))
        found = [_only(converted_each(_only(values, rows), form), rows) for rows in alike]
        return pc.coalesce(*found)


def _require_one_form(
    judge: Judge, column: str, zoned: pa.ChunkedArray, naive: pa.ChunkedArray, whole: pa.ChunkedArray
) -> None:
    """A row has a value in one of the three at most."""
    with_zone, without, number = (pc.index(pc.is_valid(form), True).as_py() for form in (zoned, naive, whole))
    if min(with_zone, without) >= 0:
        other = min(with_zone, without) + 1
        judge.disagree(
            column,
            max(with_zone, without),
            f"mixed time zones: this time and row {other} differ in having a UTC offset",
            "write all times with an offset, or all without",
        )
    if number >= 0 and max(with_zone, without) >= 0:
        judge.disagree(column, number, NOT_A_TIME, WRITE_ISO)


def _only(values: pa.ChunkedArray, where: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(where, values, pa.scalar(None, values.type))


def _whole(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.int64())


def _from_seconds(judge: Judge, column: str, seconds: pa.ChunkedArray) -> pa.ChunkedArray:
    beyond = pc.or_(pc.greater(seconds, LAST_SECOND), pc.less(seconds, -LAST_SECOND))
    judge.refuse(column, beyond, "Unix time beyond the year 9999", "give seconds, not milliseconds")
    return pc.multiply(seconds, 1_000_000).cast(UTC)


def _localise(timezone: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    zone = values.type.tz if pt.is_timestamp(values.type) else None
    nanoseconds = pt.is_timestamp(values.type) and values.type.unit == "ns"
    values = pc.cast(values, pa.timestamp("us", tz=zone), safe=not nanoseconds)
    if zone is None and timezone != "UTC":
        values = pc.assume_timezone(values, timezone, ambiguous="earliest", nonexistent="latest")
    return values.cast(UTC)
