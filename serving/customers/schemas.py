"""What the customer API gives: what is due again, and what the demo page shows of a customer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from serving.recommendations.schemas import ITEM_EXAMPLE, ItemOut


class DueOut(ItemOut):
    """One consumable and when the customer will need it again."""

    expected_at: datetime
    low: datetime = Field(description="Start of the 80 % interval.")
    high: datetime = Field(description="End of the 80 % interval.")
    remind_at: datetime = Field(description="`lead_days` before it is expected.")
    p_within_3: float = Field(description="Chance that it is needed within 3 days.")
    p_within_7: float = Field(description="Chance that it is needed within 7 days.")
    p_within_14: float = Field(description="Chance that it is needed within 14 days.")
    p_within_30: float = Field(description="Chance that it is needed within 30 days.")
    basis: str = Field(description="What the expectation rests on.")


class ReplenishmentOut(BaseModel):
    """Everything of one customer that is due within the horizon, soonest first."""

    customer_id: str
    as_of: datetime
    due: list[DueOut]
    model_version: str
    privacy_statement_id: str | None
    request_id: str


REPLENISHMENT_EXAMPLE: dict[str, Any] = {
    "customer_id": "c-00042",
    "as_of": "2026-03-02T08:20:00Z",
    "due": [
        {
            **ITEM_EXAMPLE,
            "expected_at": "2026-03-06T10:00:00Z",
            "low": "2026-03-03T04:00:00Z",
            "high": "2026-03-10T21:00:00Z",
            "remind_at": "2026-03-03T10:00:00Z",
            "p_within_3": 0.41,
            "p_within_7": 0.78,
            "p_within_14": 0.96,
            "p_within_30": 0.99,
            "basis": "your own 6 purchases",
        }
    ],
    "model_version": "2026-03-01-a1b2c3",
    "privacy_statement_id": "ps-5f2c",
    "request_id": "9c1f0e7a2b3d4c5e",
}


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
