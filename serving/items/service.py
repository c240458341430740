"""Answers about items; they are the same for everybody."""

from __future__ import annotations

from typing import Any

from recsys.recommend.types import Recommended
from serving.errors import unknown_item
from serving.state import State


def similar_items(state: State, item_id: str, k: int, request_id: str) -> dict[str, Any]:
    """The items most like one. Raises ApiError 404 for an unknown item."""
    item = state.item(item_id)
    if item is None:
        raise unknown_item(item_id, field="item_id", status=404)
    return {
        "item": state.assortment.details[item],
        "similar": [_similar_out(state, one) for one in _available(state, item, k)],
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "request_id": request_id,
    }


def _available(state: State, item: int, k: int) -> list[Recommended]:
    """The k most similar that this silo can sell: looks further until there are enough."""
    reach, everything = 2 * k, len(state.catalogue) - 1
    while True:
        ranked = state.recommender.similar(item, reach)
        found = [one for one in ranked if state.assortment.available[one.item]]
        if len(found) >= k or reach >= everything:
            return found[:k]
        reach *= 4


def _similar_out(state: State, one: Recommended) -> dict[str, Any]:
    reason = {"kind": str(one.reason.kind), "text": one.reason.text}
    return {**state.assortment.details[one.item], "similarity": float(one.score), "reason": reason}
