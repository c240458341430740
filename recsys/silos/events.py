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
        for name in ("quantity", "price"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise self.error(name, "negative or not a finite number", "send a number of at least 0")
        if self.timestamp.tzinfo is None:
            raise self.error("timestamp", "no time zone", "send the time with its UTC offset")

    def error(self, column: str, problem: str, remedy: str) -> DataContractError:
        location = Location(f"event {self.event_id!r}", column=column, value=str(getattr(self, column)))
        return DataContractError(location, problem, remedy)


def microseconds(time: datetime) -> int:
    return (time - EPOCH) // MICROSECOND


def to_row(event: Event) -> tuple[object, ...]:
    values = (getattr(event, field.name) for field in fields(Event))
    return tuple(microseconds(value) if isinstance(value, datetime) else value for value in values)


def from_row(row: tuple[object, ...]) -> Event:
    values = dict(zip((field.name for field in fields(Event)), row, strict=True))
    values["timestamp"] = EPOCH + MICROSECOND * values["timestamp"]  # type: ignore[operator]
    return Event(**values)  # type: ignore[arg-type]
