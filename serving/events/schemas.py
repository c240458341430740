"""What the event API takes and gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from recsys.data.checks import MOST_UNITS
from recsys.data.history import EventType
from serving.schemas import Identifier, Input

MAX_BATCH = 500
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

EVENT_EXAMPLE: dict[str, Any] = {
    "event_id": "web-7f3a9c",
    "customer_id": "c-00042",
    "item_id": "coffee-beans-1kg",
    "event": "purchase",
    "quantity": 1,
    "timestamp": "2026-03-02T09:15:00+01:00",
    "store_id": "store-3",
}


def _text_only(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 text with a UTC offset, such as '2026-03-02T09:15:00+01:00'")
    return value


def _of_our_time(value: datetime) -> datetime:
    if not EARLIEST <= value <= LATEST:
        raise ValueError("must be between the years 2000 and 2200")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_text_only), AfterValidator(_of_our_time)]


class EventIn(Input):
    """One thing a customer did."""

    event_id: Identifier = Field(
        description="Chosen by the client, unique within the customer; sending it twice stores it once."
    )
    customer_id: Identifier
    item_id: Identifier
    event: EventType = EventType.PURCHASE
    quantity: float = Field(default=1.0, ge=0, le=MOST_UNITS, description="Units.")
    timestamp: Moment = Field(description="With a UTC offset; at most five minutes ahead of the server.")
    store_id: Identifier | None = None
    price: float | None = Field(default=None, ge=0, le=1e9, description="Per unit.")


class EventsIn(Input):
    """A batch; each customer's events are stored whole or not at all. A single event may be sent bare."""

    events: tuple[EventIn, ...] = Field(min_length=1, max_length=MAX_BATCH)

    @model_validator(mode="before")
    @classmethod
    def _bare_event(cls, value: object) -> object:
        is_bare = isinstance(value, dict) and "events" not in value and bool(value)
        return {"events": [value]} if is_bare else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A batch or a bare event, as the validator above takes them."""
        batch = handler.resolve_ref_schema(handler(core_schema))
        event = batch["properties"]["events"]["items"]
        return {"title": "Events", "anyOf": [dict(batch), event]}


class EventsRefused(BaseModel):
    """Why none of one customer's events of a batch was stored."""

    customer_id: str
    index: int = Field(description="In the batch: the customer's first event at fault.")
    code: str = Field(description="As of an error; branch on this.")
    message: str
    what_to_do: str
    field: str | None = Field(default=None, description="The path of the input field to blame.")


class EventsAccepted(BaseModel):
    """What became of a batch: what was stored is on disk before this is sent."""

    accepted: int = Field(description="Stored now.")
    duplicates: int = Field(description="Already stored, same customer, same id and same content.")


class EventsPartlyAccepted(EventsAccepted):
    """What became of a batch of several customers of whom some were refused."""

    refused: list[EventsRefused] = Field(description="One entry for each customer whose events were not.")


EXAMPLES: dict[str, Any] = {
    "one event": {"value": EVENT_EXAMPLE},
    "a batch": {
        "value": {
            "events": [
                EVENT_EXAMPLE,
                {**EVENT_EXAMPLE, "event_id": "web-7f3a9d", "event": "view", "item_id": "oat-milk-1l"},
            ]
        }
    },
}
