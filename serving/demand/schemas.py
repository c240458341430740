"""What the API of demand gives."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, Field


class DemandRowOut(BaseModel):
    """Units of an item that are bought in an area within the horizon."""

    area: str = Field(description="A store area of this silo; empty for what no area's stores sell.")
    item_id: str
    expected: float
    low: float = Field(description="Units lie between low and high with a chance of 80 %.")
    high: float


class DemandOut(BaseModel):
    """A page of the forecast, by area and item."""

    silo: str
    days: float
    data_until: date = Field(description="The forecast looks ahead from the end of the data it is made of.")
    areas: list[str]
    demand: list[DemandRowOut]
    total: int
    next_offset: int | None
    model_version: str
    privacy_statement_id: str | None
    request_id: str


DEMAND_EXAMPLE: dict[str, Any] = {
    "silo": "north",
    "days": 7,
    "data_until": "2026-03-02",
    "areas": ["", "east", "west"],
    "demand": [{"area": "east", "item_id": "p000001", "expected": 41.3, "low": 32.0, "high": 50.9}],
    "total": 2400,
    "next_offset": 1,
    "model_version": "2026-03-01-a1b2c3",
    "privacy_statement_id": "ps-5f2c",
    "request_id": "9c1f0e7a2b3d4c5e",
}
