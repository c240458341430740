"""What the replenishment API gives."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from serving.recommendations.schemas import ITEM_EXAMPLE, ItemOut


class NeedOut(BaseModel):
    """When something will be needed again."""

    expected_at: datetime
    low: datetime = Field(description="Start of the 80 % interval.")
    high: datetime = Field(description="End of the 80 % interval.")
    remind_on: date = Field(
        description="Day in the silo's time zone: `lead_days` before it is expected, today if that is past."
    )
    p_within_3: float = Field(description="Chance that it is needed within 3 days.")
    p_within_7: float = Field(description="Chance that it is needed within 7 days.")
    p_within_14: float = Field(description="Chance that it is needed within 14 days.")
    p_within_30: float = Field(description="Chance that it is needed within 30 days.")
    basis: str = Field(description="What the expectation rests on.")


class HabitOut(BaseModel):
    """The weekday on which the customer buys an item far more often than by chance."""

    weekday: str
    share: float = Field(description="Of the purchase days that were looked at.")
    days: int = Field(description="How many purchase days were looked at: the latest 26, at least 4.")
    text: str


class DeviceOut(BaseModel):
    """What a device of the customer reported; then the item is due at once."""

    signal: str = Field(description="empty or expired")
    at: datetime
    question: str | None = Field(
        description="Waits for an answer: send the event `cart` (or `purchase`) for yes, `decline` for no. "
        "Null once the item is in the cart."
    )


class StockUpOut(BaseModel):
    """The silo's price is 10 % below the public list price or lower, and two are used up in good time."""

    buy: int = Field(description="Units: twice what the customer usually buys.")
    price: float
    list_price: float
    lasts_until: date
    text: str


class SubstituteOut(ItemOut):
    """The nearest item of the same category that can be had."""

    similarity: float = Field(description="Cosine of the two items' vectors.")


class DueOut(ItemOut, NeedOut):
    """One consumable and when the customer will need it again."""

    remind_at: datetime = Field(description="`lead_days` before it is expected.")
    weekly_habit: HabitOut | None
    season: str | None = Field(
        description="Where customers usually buy clearly more of the item's category in the month in which "
        "it is expected, words for it; else, and where no seasons were learned, null. Dates and chances "
        "follow seasons anyhow."
    )
    device: DeviceOut | None
    out_of_stock: bool = Field(description="True is a warning: it cannot be had in this silo now.")
    out_of_stock_by_then: bool = Field(
        description="True is a warning: what is in stock is likely to be sold before it is needed, by the "
        "forecast of the silo's sales, if there is one. Within 7 days alone: shelves are filled again later."
    )
    substitute: SubstituteOut | None = Field(description="For an item that is out of stock, now or by then.")
    stock_up: StockUpOut | None


class CategoryDueOut(NeedOut):
    """A category of which the customer buys different items, where none of them is due by itself."""

    category: str
    items: list[ItemOut] = Field(description="The customer's own choices that can be had, usual ones first.")


class ReplenishmentOut(BaseModel):
    """What of one customer is due within the horizon, soonest first."""

    customer_id: str
    as_of: datetime
    due: list[DueOut]
    categories: list[CategoryDueOut] = Field(description="On the first page only.")
    total: int = Field(description="Items that are due, on all pages.")
    next_offset: int | None = Field(description="`offset` of the next page; null on the last one.")
    model_version: str
    privacy_statement_id: str | None
    request_id: str


class DueRowOut(NeedOut):
    """One customer and item of the due list."""

    customer_id: str
    item_id: str
    rank: int = Field(
        description="Place in the customer's list, from 1: what the next basket is likeliest to hold first."
    )
    price_sensitive: bool = Field(description="Buys mostly what is cheap for its kind, by public prices.")
    dormant: bool = Field(description="Has stayed away for far longer than usual.")
    out_of_stock: bool


class DueListOut(BaseModel):
    """A page of the due list: by customer id, each one's items by rank."""

    as_of: datetime
    due: list[DueRowOut]
    next_after: str | None = Field(description="`after` of the next page; null on the last one.")
    model_version: str
    privacy_statement_id: str | None
    request_id: str


_NEED: dict[str, Any] = {
    "expected_at": "2026-03-06T10:00:00Z",
    "low": "2026-03-03T04:00:00Z",
    "high": "2026-03-10T21:00:00Z",
    "remind_on": "2026-03-03",
    "p_within_3": 0.41,
    "p_within_7": 0.78,
    "p_within_14": 0.96,
    "p_within_30": 0.99,
}

REPLENISHMENT_EXAMPLE: dict[str, Any] = {
    "customer_id": "c-00042",
    "as_of": "2026-03-02T08:20:00Z",
    "due": [
        {
            **ITEM_EXAMPLE,
            **_NEED,
            "remind_at": "2026-03-03T10:00:00Z",
            "basis": "your own 6 purchases",
            "weekly_habit": {"weekday": "Friday", "share": 0.8333, "days": 6, "text": "most Fridays"},
            "season": None,
            "device": None,
            "out_of_stock": True,
            "out_of_stock_by_then": False,
            "substitute": {
                "item_id": "almond-milk-1l",
                "title": "Almond milk 1 l",
                "brand": "Fieldwell",
                "category": "milk alternatives",
                "price": 2.19,
                "similarity": 0.93,
            },
            "stock_up": None,
        }
    ],
    "categories": [
        {"category": "cereals", **_NEED, "basis": "your own 5 purchases of cereals", "items": []},
    ],
    "total": 120,
    "next_offset": 100,
    "model_version": "2026-03-01-a1b2c3",
    "privacy_statement_id": "ps-5f2c",
    "request_id": "9c1f0e7a2b3d4c5e",
}

DUE_LIST_EXAMPLE: dict[str, Any] = {
    "as_of": "2026-03-02T08:20:00Z",
    "due": [
        {
            "customer_id": "c-00042",
            "item_id": "oat-milk-1l",
            "rank": 1,
            **_NEED,
            "basis": "your own 6 purchases",
            "price_sensitive": False,
            "dormant": False,
            "out_of_stock": False,
        }
    ],
    "next_after": "c-00141",
    "model_version": "2026-03-01-a1b2c3",
    "privacy_statement_id": "ps-5f2c",
    "request_id": "9c1f0e7a2b3d4c5e",
}
