"""What the API of next needs gives."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from serving.recommendations.schemas import OUT_EXAMPLE, RecommendedOut


class BecauseOut(BaseModel):
    """What a need is counted from."""

    kind: str = Field(description="date: one that the customer gave; bought: a purchase of the customer's")
    name: str = Field(description="The kind of date, or the category bought.")
    day: date
    text: str


class NextNeedOut(BaseModel):
    """A category that is needed for the first time, or next."""

    category: str
    needed_from: date
    needed_until: date
    remind_on: date = Field(description="`lead_days` before it is needed; today if that is past.")
    chance: float | None = Field(
        description="Share of those who bought it for the first time who need this then, by published "
        "statistics; null where the silo's plan says so."
    )
    because: BecauseOut
    items: list[RecommendedOut] = Field(description="Of the category, best for this customer first.")


class NextNeedsOut(BaseModel):
    """What comes up within the horizon, soonest first."""

    customer_id: str
    as_of: datetime
    needs: list[NextNeedOut]
    model_version: str
    privacy_statement_id: str | None
    request_id: str


NEXT_NEEDS_EXAMPLE: dict[str, Any] = {
    "customer_id": "c-00042",
    "as_of": "2026-03-02T08:20:00Z",
    "needs": [
        {
            "category": "baby food",
            "needed_from": "2026-04-01",
            "needed_until": "2026-06-01",
            "remind_on": "2026-03-02",
            "chance": None,
            "because": {
                "kind": "date",
                "name": "birth",
                "day": "2025-11-02",
                "text": "Solid food starts at about five months",
            },
            "items": OUT_EXAMPLE["items"],
        }
    ],
    "model_version": "2026-03-01-a1b2c3",
    "privacy_statement_id": "ps-5f2c",
    "request_id": "9c1f0e7a2b3d4c5e",
}
