"""What one customer will need next, by a public plan, dates of the customer's own, and learned follow-ups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from recsys.data.history import Histories
from recsys.recommend.due import past
from recsys.recommend.types import Query
from serving.errors import ApiError
from serving.next_needs.life import Life
from serving.next_needs.need import NextNeed
from serving.recommendations.service import item_out
from serving.replenishment.calendar import as_date, local_days
from serving.replenishment.service import moment, timed_history
from serving.state import State


def next_needs_of(
    state: State, customer_id: str, *, lead_days: int, horizon_days: int, k: int, request_id: str
) -> dict[str, Any]:
    """What comes up within the horizon, soonest first, each with at most k items.

    Raises ApiError: 404 unknown customer, 403 no consent, 409 no timestamps, or neither a plan nor
    follow-ups.
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
                "category": need.category,
                "needed_from": need.start,
                "needed_until": need.end,
                "remind_on": max(need.start - timedelta(days=lead_days), today),
                "chance": need.chance,
                "because": {
                    "kind": need.kind,
                    "name": need.name,
                    "day": need.because,
                    "text": need.text,
                },
                "items": items,
            }
            for need, items in zip(needs, _items(state, history, needs, k), strict=True)
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
            f"silo {state.silo_name} has no plan of life stages, and the served model no follow-ups",
            "name a 'life_plan' (and a table 'life_events') in silo.toml, or give followups a share",
        )
    return state.life


def _items(
    state: State, history: Histories, needs: Sequence[NextNeed], k: int
) -> Iterator[list[dict[str, Any]]]:
    """The customer's best items of each category, by the ranking of every page; no item twice."""
    codes, names = state.catalogue.category_codes
    shown = frozenset[int]()
    for need in needs:
        fits = state.assortment.available & (codes == names.index(need.category))
        query = Query(history.without_signals(), k, exclude=shown, candidates=fits)
        found = state.recommender.recommend(query).items
        shown |= {one.item for one in found}
        yield [item_out(state, one) for one in found]
