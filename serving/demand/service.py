"""A page of the forecast of this silo's sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from recsys.data.history import SECONDS_PER_DAY
from recsys.models.demand_forecast import DemandModel
from serving.errors import ApiError, shown
from serving.state import State


def demand_page(
    state: State,
    *,
    days: float,
    areas: Sequence[str] | None,
    items: Sequence[str] | None,
    limit: int,
    offset: int,
    request_id: str,
) -> dict[str, Any]:
    """Rows by area and item, from `offset` on at most `limit`, of what the silo carries.

    Raises ApiError: 404 without a forecast for this silo, for an unknown area or an unknown item.
    """
    model = _model(state)
    forecast = model.forecast(state.silo_name, days)
    rows = _areas(forecast.areas, areas)
    asked = _items(state, items)
    places = np.argwhere((forecast.expected[rows] > 0.0) & asked)
    shown_places = places[offset : offset + limit]
    end = offset + len(shown_places)
    ids = state.catalogue.item_ids
    return {
        "silo": state.silo_name,
        "days": days,
        "data_until": datetime.fromtimestamp(model.end * SECONDS_PER_DAY, UTC).date(),
        "areas": list(forecast.areas),
        "demand": [
            {
                "area": forecast.areas[rows[row]],
                "item_id": ids[item],
                **{
                    name: round(float(getattr(forecast, name)[rows[row], item]), 2)
                    for name in ("expected", "low", "high")
                },
            }
            for row, item in shown_places.tolist()
        ],
        "total": len(places),
        "next_offset": end if end < len(places) else None,
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "request_id": request_id,
    }


def _model(state: State) -> DemandModel:
    model = state.demand
    if model is None or state.silo_name not in model.silos:
        raise ApiError(
            404,
            "no_demand_forecast",
            f"the served model has no forecast of the sales of silo {shown(state.silo_name)}",
            "train with this silo, a share for 'demand', and 'until' or 'rhythm.as_of', which say up to when "
            "the data are complete",
        )
    return model


def _areas(known: Sequence[str], asked: Sequence[str] | None) -> list[int]:
    for area in asked or ():
        if area not in known:
            raise ApiError(
                404,
                "unknown_area",
                f"this silo's forecast has no area {shown(area)}",
                "give areas of the list that an answer without this field has",
                field="area",
            )
    return [row for row, area in enumerate(known) if asked is None or area in asked]


def _items(state: State, asked: Sequence[str] | None) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if asked is None:
        return state.assortment.sold
    chosen = np.zeros(len(state.catalogue), np.bool_)
    for item_id in asked:
        item = state.item(item_id)
        if item is None or not state.assortment.sold[item]:
            raise ApiError(
                404,
                "unknown_item",
                f"item {shown(item_id)} is not sold in this silo",
                "give ids of the silo's items table",
                field="item",
            )
        chosen[item] = True
    return chosen
