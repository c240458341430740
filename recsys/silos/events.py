"""An event as serving takes it in: one thing a customer did, and its form as a database row."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from recsys.data.history import EventType
from recsys.errors import DataContractError, Location

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Event:
    """One thing a customer did; DataContractError if a field breaks the contract.

    event: an `EventType` value; quantity: units; timestamp: aware; price: currency per unit
    """

    event_id: str
    customer_id: str
    item_id: str
    event: str
    quantity: float
    timestamp: datetime
    store_id: str | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        for name in ("event_id", "customer_id", "item_id"):
            value = getattr(self, name)
            if not value or value != value.strip():
                raise self.error(name, "empty id or spaces around it", "send the id as it is in the tables")
        if self.event not in set(EventType):
            raise self.error("event", "unknown word", f"use one of {', '.join(EventType)}")
        for name in ("event_id", "customer_id", "item_id", "store_id"):
            if not _can_be_encoded(getattr(self, name)):
                raise self.error(name, "text that UTF-8 does not have", "send whole characters")
        for name in ("quantity", "price"):
            value = getattr(self, name)
            if value is not None and not _is_count(value):
                raise self.error(name, "negative or not a finite number", "send a number of at least 0")
        if self.timestamp.tzinfo is None:
            raise self.error("timestamp", "no time zone", "send the time with its UTC offset")

    def error(self, column: str, problem: str, remedy: str) -> DataContractError:
        value = str(getattr(self, column)).encode(errors="backslashreplace").decode()
        location = Location(f"event {self.event_id!r}", column=column, value=value)
        return DataContractError(location, problem, remedy)


def _can_be_encoded(text: str | None) -> bool:
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_count(value: object) -> bool:
    """At least 0 and a number that a column of floats can hold."""
    try:
        return isinstance(value, int | float) and math.isfinite(value) and value >= 0
    except OverflowError:
        return False


def microseconds(time: datetime) -> int:
    return (time - EPOCH) // MICROSECOND


def to_row(event: Event) -> tuple[object, ...]:
    """The values in the order of the fields; numbers as floats: SQLite has no whole number above 64 bits."""
    return tuple(_stored(getattr(event, field.name)) for field in fields(Event))


def _stored(value: object) -> object:
    if isinstance(value, datetime):
        return microseconds(value)
    return float(value) if isinstance(value, int) else value


def from_row(row: tuple[object, ...]) -> Event:
    values = dict(zip((field.name for field in fields(Event)), row, strict=True))
    values["timestamp"] = EPOCH + MICROSECOND * values["timestamp"]  # type: ignore[operator]
    return Event(**values)  # type: ignore[arg-type]
