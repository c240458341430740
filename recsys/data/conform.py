"""From any Arrow table to a checked one: the contract's columns and types, ids trimmed, conditions met."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from recsys.data.contracts import CONTRACTS, Column, Table
from recsys.data.judges import Judge, Strict
from recsys.data.source import Source, named
from recsys.data.times import to_utc
from recsys.data.unique import first_repeat


def conform(
    table: Table,
    data: pa.Table,
    *,
    source: str,
    timezone: str = "UTC",
    now: datetime | None = None,
    part: bool = False,
) -> pa.Table:
    """Cast and check a table; the result has the contract's schema and the source's row order.

    source: name for errors (a file); timezone: of naive times; now: aware, later times are errors (the clock
    when left out); part: whether other rows of the source come apart, so that unique keys are the caller's to
    check. Columns outside the contract are dropped. Raises DataContractError at the first breach, naming the
    row, column and value.
    """
    origin = Source(source, data)
    checked = read_columns(table, Strict(origin), timezone, now or datetime.now(UTC))
    for names in () if part else CONTRACTS[table].unique:
        _require_unique(origin, checked, names)
    return named(checked, source)


def read_columns(table: Table, judge: Judge, timezone: str, now: datetime) -> pa.Table:
    """The judge's source with the contract's columns, each row judged by itself; keys may repeat.

    Raises DataContractError for what is wrong with a whole column: it is missing, or of the wrong type.
    """
    columns = [_read(judge, column, timezone, now) for column in CONTRACTS[table].columns]
    return pa.table(columns, schema=CONTRACTS[table].schema)


def _read(judge: Judge, column: Column, timezone: str, now: datetime) -> pa.ChunkedArray:
    data = judge.source.data
    if column.name not in data.column_names:
        return _absent(judge.source, column)
    values = _cast(judge, column, _plain(data[column.name]), timezone)
    if column.default is not None:
        values = pc.fill_null(values, column.default)
    if values.null_count and judge.must_be_whole(column, values):
        judge.refuse(column.name, pc.is_null(values), "missing value", "fill it, or leave the row out")
    if column.check is not None and values.null_count < len(values):
        judge.refuse(column.name, column.check.bad(values), column.check.problem, column.check.remedy)
    if pt.is_timestamp(column.type):
        _require_past(judge, column, values, now)
    return values


def _absent(source: Source, column: Column) -> pa.ChunkedArray:
    if column.required:
        present = ", ".join(source.data.column_names)
        raise source.error(f"missing column (the file has: {present})", "add it", column=column.name)
    rows = source.data.num_rows
    if column.default is None:
        return pa.chunked_array([pa.nulls(rows, column.type)])
    return pa.chunked_array([pa.repeat(pa.scalar(column.default, column.type), rows)])


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries and large or view strings, which some functions of Arrow do not take."""
    if pt.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pt.is_large_string(values.type) or pt.is_string_view(values.type):
        values = values.cast(pa.string())
    return values


def _cast(judge: Judge, column: Column, values: pa.ChunkedArray, timezone: str) -> pa.ChunkedArray:
    if pt.is_null(values.type):
        return values.cast(column.type)
    if pt.is_timestamp(column.type):
        return to_utc(judge, column.name, values, timezone)
    accepts, example = _ACCEPTS[column.type]
    if not accepts(values.type):
        problem = f"wrong type {values.type}, expected {column.type} ({column.unit})"
        raise judge.source.error(problem, example, column=column.name)
    return _numbers_and_texts(judge, column, values, example)


def _numbers_and_texts(judge: Judge, column: Column, values: pa.ChunkedArray, remedy: str) -> pa.ChunkedArray:
    if pt.is_floating(values.type) and column.nullable and column.default is None:
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pt.is_string(values.type):
        values = pc.utf8_trim_whitespace(values)
    if pt.is_integer(values.type) and column.type == pa.bool_():
        values = values.cast(pa.string())
    problem = f"wrong type, expected {column.type} ({column.unit})"
    return judge.convert(column.name, values, lambda piece: piece.cast(column.type), problem, remedy)


def _number(kind: pa.DataType) -> bool:
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_string(kind))


_ACCEPTS: dict[pa.DataType, tuple[Callable[[pa.DataType], bool], str]] = {
    pa.string(): (
        lambda kind: pt.is_string(kind) or pt.is_integer(kind),
        "write it as text or a whole number",
    ),
    pa.float64(): (_number, "write a number with a decimal point"),
    pa.int64(): (_number, "write a whole number"),
    pa.bool_(): (
        lambda kind: pt.is_boolean(kind) or pt.is_string(kind) or pt.is_integer(kind),
        "write true or false",
    ),
}


def _require_past(judge: Judge, column: Column, values: pa.ChunkedArray, now: datetime) -> None:
    judge.refuse(
        column.name,
        pc.greater(values, pa.scalar(now, pa.timestamp("us", tz="UTC"))),
        f"future date (now is {now.isoformat(timespec='seconds')})",
        "correct the time or its zone; Unix times are in seconds",
    )


def _require_unique(source: Source, checked: pa.Table, names: tuple[str, ...]) -> None:
    repeat = first_repeat([checked[name] for name in names])
    if repeat is None:
        return
    first, second = repeat
    column = names[-1]
    kind = "duplicate" if len(names) > 1 or column == "event_id" else "id collision"
    raw = str(source.data[column][first].as_py())
    raise source.error(
        f"{kind}: row {first + 1} has the same {' and '.join(names)} ({raw!r})",
        "give each row its own, or remove the copy (spaces around ids do not count)",
        column=column,
        row=second,
    )
