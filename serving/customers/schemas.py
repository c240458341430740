"""What the demo page shows of customers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from serving.recommendations.schemas import ItemOut


class DemoCustomer(BaseModel):
    """A customer to choose on the demo page."""

    customer_id: str
    personalisation: bool
    events: int


class DemoCustomersOut(BaseModel):
    """Some customers of this silo."""

    customers: list[DemoCustomer]
    now: datetime = Field(description="The server's clock; events are sent with it.")


class DemoEvent(ItemOut):
    """One event of a customer, for the demo page."""

    event: str
    timestamp: datetime | None


class DemoHistoryOut(BaseModel):
    """A customer's latest events, newest first."""

    customer_id: str
    events: list[DemoEvent]
