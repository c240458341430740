"""Life stages: dates that customers gave, each with a consent of its own, and the plan of what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as pt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys.data.source import Source
from recsys.errors import DataContractError, Location
from recsys.silos.raw import read_raw
from recsys.silos.rows import sift_raw
from recsys.silos.toml import load_model

COLUMNS = ("customer_id", "kind", "day", "consent")
FIRST, LAST = date(1900, 1, 1), date(2200, 1, 1)
_WORDS = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}
_LONGEST = 36_500


class PlannedNeed(BaseModel):
    """One rule of the plan, the same for everybody: a category is needed some days after (or before) a day.

    date:   the kind of a date that customers give: birth, due_date, installation; or
    bought: a category, and the day is that of its latest purchase
    category: what is needed then; after_days, until_days: from and to, negative before the day
    note:   told to the customer, such as "solid food starts at about five months"
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str | None = Field(default=None, min_length=1, max_length=100)
    bought: str | None = Field(default=None, min_length=1, max_length=200)
    category: str = Field(min_length=1, max_length=200)
    after_days: int = Field(ge=-_LONGEST, le=_LONGEST, strict=True)
    until_days: int = Field(ge=-_LONGEST, le=_LONGEST, strict=True)
    note: str | None = Field(default=None, min_length=1, max_length=300)

    @model_validator(mode="after")
    def _whole(self) -> PlannedNeed:
        if (self.date is None) == (self.bought is None):
            raise ValueError("give either 'date' or 'bought'")
        if self.until_days < self.after_days:
            raise ValueError(f"until_days = {self.until_days} is before after_days = {self.after_days}")
        if self.bought is not None and self.after_days < 0:
            raise ValueError("after_days must be at least 0 after a purchase")
        return self


class LifePlan(BaseModel):
    """The rules, as `[[need]]` tables of a TOML file. It is public: it says nothing about any customer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    need: tuple[PlannedNeed, ...] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> LifePlan:
        """Read a plan; ConfigError names the file, the key and the value."""
        return load_model(path, cls)


@dataclass(frozen=True, order=True)
class LifeDate:
    """A day that a customer gave; it may lie in the future."""

    day: date
    kind: str


def read_life_dates(path: Path) -> dict[str, tuple[LifeDate, ...]]:
    """By customer, the dates that may be used, oldest first: rows without consent are not kept at all.

    A Parquet or CSV table: customer_id, kind, day (YYYY-MM-DD) and consent (true or false); the same row
    twice counts once, and one refusal of a date outweighs any consent to it. Raises DataContractError with
    the row, column and value.
    """
    if not path.is_file():
        raise DataContractError(Location(str(path)), "no such file", "export it, or take it out of silo.toml")
    source = _source(path, read_raw(path, COLUMNS, by_line=True))
    return _agreed(_checked(source, number, row) for number, row in enumerate(source.data.to_pylist()))


def sound_life_dates(path: Path) -> dict[str, tuple[LifeDate, ...]]:
    """What `read_life_dates` gives, but customers with a row that it would refuse have no dates, unsaid.

    Such a row may have been a refusal, which outweighs any consent.

    Raises DataContractError for what is wrong with the file or a column.

    Guarantee: unit one customer, relation add or remove one: a customer's dates depend on the own rows alone.
    """
    if not path.is_file():
        raise DataContractError(Location(str(path)), "no such file", "export it, or take it out of silo.toml")
    source = _source(path, sift_raw(path, COLUMNS))
    found, doubtful = list[tuple[str, LifeDate, bool]](), set[str]()
    for number, row in enumerate(source.data.to_pylist()):
        try:
            found.append(_checked(source, number, row))
        except DataContractError:
            doubtful.add(str(row["customer_id"]).strip())
    return _agreed(row for row in found if row[0] not in doubtful)


def _source(path: Path, raw: pa.Table) -> Source:
    """The rows with days as text, all of types that Python has each value of.

    Python has no date beyond the year 9999, and one such day would keep all rows from being looked at.
    """
    source = Source(str(path), raw)
    for column in COLUMNS:
        if column not in raw.column_names:
            raise source.error("missing column", "add it", column=column)
        kind = raw[column].type
        kind = kind.value_type if pt.is_dictionary(kind) else kind
        if not any(accepts(kind) for accepts in _ACCEPTS[column]):
            raise source.error("wrong type", "write " + _REMEDIES[column], column=column)
    days = raw["day"]
    return Source(str(path), raw.set_column(raw.schema.get_field_index("day"), "day", days.cast(pa.string())))


_TEXT: tuple[Callable[[pa.DataType], bool], ...] = (pt.is_string, pt.is_large_string, pt.is_string_view)
_ID = (*_TEXT, pt.is_integer)
_ACCEPTS = {
    "customer_id": _ID,
    "kind": _ID,
    "day": (*_TEXT, pt.is_date),
    "consent": (*_ID, pt.is_boolean, pt.is_floating, pt.is_decimal),
}
_REMEDIES = {
    "customer_id": "it as text or a whole number",
    "kind": "it as text",
    "day": "it as a date, or as text (YYYY-MM-DD)",
    "consent": "true or false",
}


def _agreed(rows: Iterable[tuple[str, LifeDate, bool]]) -> dict[str, tuple[LifeDate, ...]]:
    found: dict[bool, dict[str, set[LifeDate]]] = {True: {}, False: {}}
    for customer, one, agreed in rows:
        found[agreed].setdefault(customer, set()).add(one)
    kept = {customer: dates - found[False].get(customer, set()) for customer, dates in found[True].items()}
    return {customer: tuple(sorted(dates)) for customer, dates in kept.items() if dates}


def _checked(source: Source, number: int, row: dict[str, Any]) -> tuple[str, LifeDate, bool]:
    def wrong(column: str, problem: str, remedy: str) -> DataContractError:
        return source.error(problem, remedy, column=column, row=number)

    for column in COLUMNS:
        if row[column] is None or not str(row[column]).strip():
            raise wrong(column, "missing value", "fill it, or leave the row out")
    consent = row["consent"]
    agreed = _WORDS.get(consent.strip().lower() if isinstance(consent, str) else consent)
    if agreed is None:
        raise wrong("consent", "neither true nor false", "write true or false")
    try:
        day = date.fromisoformat(str(row["day"]).strip())
    except ValueError:
        raise wrong("day", "no date", "write YYYY-MM-DD") from None
    if not FIRST <= day <= LAST:
        raise wrong("day", "date out of range", f"give a day between {FIRST} and {LAST}")
    return str(row["customer_id"]).strip(), LifeDate(day, str(row["kind"]).strip()), agreed
