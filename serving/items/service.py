"""Answers about items; they are the same for everybody."""

from __future__ import annotations

from typing import Any

from serving.errors import unknown_item
from serving.state import State


def similar_items(state: State, item_id: str, k: int, request_id: str) -> dict[str, Any]:
    """The items most like one. Raises ApiError 404 for an unknown item."""
    item = state.item(item_id)
    if item is None:
        raise unknown_item(item_id, field="item_id", status=404)
    found = state.similar.to(item, k, state.assortment.available)
    details = state.assortment.details
    return {
        "item": details[item],
        "similar": [{**details[other], "similarity": cosine} for other, cosine in found],
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "request_id": request_id,
    }
