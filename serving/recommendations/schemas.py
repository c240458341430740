"""What the recommendation API takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator

from recsys.data.checks import MOST_UNITS
from recsys.data.history import EventType
from recsys.recommend.types import Scene
from serving.events.schemas import Moment
from serving.schemas import DegradedOut, Identifier, Input

MAX_K = 100
MAX_HISTORY = 1_000
MAX_EXCLUDE = 1_000
MAX_CONTEXT = 100

Quantity = Annotated[float, Field(ge=0, le=MOST_UNITS)]


class HistoryEntry(Input):
    """One event of a history that travels with the request and is not kept."""

    item_id: Identifier
    event: EventType = EventType.PURCHASE
    timestamp: Moment | None = None
    order_no: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    quantity: Quantity = 1.0


class RecommendationsIn(Input):
    """For whom, where, how many. With neither `customer_id` nor `history` the answer is non-personalised.

    The entries of `history` all carry a timestamp, or all an order number, or none does; with none they count
    as one basket.
    """

    customer_id: Identifier | None = None
    history: tuple[HistoryEntry, ...] | None = Field(default=None, max_length=MAX_HISTORY)
    scene: Scene = Scene.HOME
    k: int = Field(default=10, ge=1, le=MAX_K)
    exclude: tuple[Identifier, ...] = Field(
        default=(),
        max_length=MAX_EXCLUDE,
        description="Item ids that must not appear; unknown ids are ignored.",
    )
    context_items: tuple[Identifier, ...] = Field(
        default=(),
        max_length=MAX_CONTEXT,
        description="The item of the product page, or the items in the cart.",
    )
    personalized: bool = Field(
        default=True, description="False: answer without using anything about the customer."
    )

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if self.customer_id is not None and self.history is not None:
            raise ValueError("send either 'customer_id' or 'history', not both")
        return self

    @model_validator(mode="after")
    def _one_ordering(self) -> Self:
        entries = self.history or ()
        shapes = {(entry.timestamp is not None, entry.order_no is not None) for entry in entries}
        if len(shapes) > 1 or (True, True) in shapes:
            raise ValueError(
                "'history' entries must all have 'timestamp', or all 'order_no', or none of them"
            )
        return self


class ReasonOut(BaseModel):
    """Why an item is there: from the customer's own events or from published facts."""

    kind: str = Field(description="due, bought_before, next_need, goes_with, taste or popular")
    text: str
    item_id: str | None = None


class ItemOut(BaseModel):
    """An item as the page shows it."""

    item_id: str
    title: str
    brand: str
    category: str
    price: float | None = Field(description="This silo's price; null where unknown.")


class RecommendedOut(ItemOut):
    """One recommended item."""

    score: float
    kind: str = Field(description="repeat: bought before; new: not bought before")
    reason: ReasonOut


class RecommendationsOut(BaseModel):
    """The ranked items, best first."""

    items: list[RecommendedOut]
    model_version: str
    privacy_statement_id: str | None
    degraded: list[DegradedOut]
    request_id: str


ITEM_EXAMPLE: dict[str, Any] = {
    "item_id": "oat-milk-1l",
    "title": "Oat milk 1 l",
    "brand": "Fieldwell",
    "category": "milk alternatives",
    "price": 1.89,
}

OUT_EXAMPLE: dict[str, Any] = {
    "items": [
        {
            **ITEM_EXAMPLE,
            "score": 1.731,
            "kind": "repeat",
            "reason": {"kind": "due", "text": "Due again about Friday", "item_id": "oat-milk-1l"},
        }
    ],
    "model_version": "2026-03-01-a1b2c3",
    "privacy_statement_id": "ps-5f2c",
    "degraded": [],
    "request_id": "9c1f0e7a2b3d4c5e",
}

IN_EXAMPLES: dict[str, Any] = {
    "a known customer": {"value": {"customer_id": "c-00042", "scene": "home", "k": 10}},
    "an inline history": {
        "value": {
            "history": [
                {"item_id": "coffee-beans-1kg", "timestamp": "2026-03-02T09:15:00+01:00"},
                {"item_id": "oat-milk-1l", "event": "cart", "timestamp": "2026-03-02T09:16:00+01:00"},
            ],
            "k": 5,
        }
    },
    "a product page": {
        "value": {"customer_id": "c-00042", "scene": "product", "context_items": ["coffee-beans-1kg"], "k": 8}
    },
    "non-personalised": {"value": {"customer_id": "c-00042", "personalized": False}},
}
