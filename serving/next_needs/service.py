"""What one customer will need next, by a public plan and dates of the customer's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from recsys.data.history import Histories
from recsys.recommend.due import past
from recsys.recommend.types import Query
from serving.errors import ApiError
from serving.next_needs.life import Life, NextNeed
from serving.recommendations.service import item_out
from serving.replenishment.calendar import as_date, local_days
from serving.replenishment.service import moment, timed_history
from serving.state import State


def next_needs_of(
    state: State, customer_id: str, *, lead_days: int, horizon_days: int, k: int, request_id: str
) -> dict[str, Any]:
    """What comes up within the horizon, soonest first, each with at most k items.

    Raises ApiError: 404 unknown customer, 403 no consent, 409 no timestamps, or a silo without a plan.
    """
    now = int(state.clock.seconds())
    history = past(timed_history(state, customer_id), now)
    today = as_date(int(local_days(np.array([now]), state.timezone)[0]))
    needs = _life(state).needs(
        customer_id,
        history,
        today=today,
        timezone=state.timezone,
        lead_days=lead_days,
        horizon_days=horizon_days,
    )
    return {
        "customer_id": customer_id,
        "as_of": moment(now),
        "needs": [
            {
                "category": need.planned.category,
                "needed_from": need.start,
                "needed_until": need.end,
                "remind_on": max(need.start - timedelta(days=lead_days), today),
                "because": _because(need),
                "items": _items(state, history, need, k),
            }
            for need in needs
        ],
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "request_id": request_id,
    }


def _life(state: State) -> Life:
    if state.life is None:
        raise ApiError(
            409,
            "no_life_plan",
            f"silo {state.silo_name} has no plan of life stages",
            "name a 'life_plan' (and a table 'life_events') in silo.toml",
        )
    return state.life


def _because(need: NextNeed) -> dict[str, Any]:
    planned = need.planned
    given = f"You told us a date: {planned.date}"
    text = given if planned.bought is None else f"You bought {planned.bought}"
    return {
        "kind": "date" if planned.bought is None else "bought",
        "name": planned.date or planned.bought,
        "day": need.because,
        "text": planned.note or text,
    }


def _items(state: State, history: Histories, need: NextNeed, k: int) -> list[dict[str, Any]]:
    """The customer's best items of the category, by the ranking of every page."""
    codes, names = state.catalogue.category_codes
    allowed = state.assortment.available & (codes == names.index(need.planned.category))
    query = Query(history.without_signals(), k, candidates=allowed)
    return [item_out(state, one) for one in state.recommender.recommend(query).items]
