"""What the item API gives."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from serving.recommendations.schemas import ITEM_EXAMPLE, ItemOut, ReasonOut


class SimilarOut(ItemOut):
    """An item that is like the one asked about."""

    similarity: float = Field(description="Cosine of the two items' vectors.")
    reason: ReasonOut


class SimilarItemsOut(BaseModel):
    """The most alike items that this silo can sell, best first."""

    item: ItemOut
    similar: list[SimilarOut]
    model_version: str
    privacy_statement_id: str | None
    request_id: str


SIMILAR_EXAMPLE: dict[str, Any] = {
    "item": ITEM_EXAMPLE,
    "similar": [
        {
            "item_id": "almond-milk-1l",
            "title": "Almond milk 1 l",
            "brand": "Fieldwell",
            "category": "milk alternatives",
            "price": 2.19,
            "similarity": 0.93,
            "reason": {"kind": "taste", "text": "Similar to Oat milk 1 l"},
        }
    ],
    "model_version": "2f6c1e0b9a8d7c55",
    "privacy_statement_id": "ps-5f2c",
    "request_id": "9c1f0e7a2b3d4c5e",
}
