"""What only a demo server tells: customers to choose from, and what they did lately."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from recsys.data.history import EventType, Histories, Ordering
from serving.customers.profiles import Consent
from serving.errors import unknown_customer
from serving.state import State

_EVENTS = tuple(EventType)


def customers_to_choose(state: State, limit: int) -> dict[str, Any]:
    """Some customers with how much is known of them, and the server's clock."""
    return {
        "customers": [_choice(state, customer_id) for customer_id in state.profiles.sample(limit)],
        "now": state.clock.now(),
    }


def latest_events(state: State, customer_id: str, limit: int) -> dict[str, Any]:
    """A customer's latest events, newest first; none without consent. ApiError 404 for an unknown one."""
    consent = state.profiles.consent(customer_id)
    if consent is None:
        raise unknown_customer(customer_id)
    shown: list[dict[str, Any]] = []
    if Consent.PERSONALISATION in consent:
        history = state.profiles.history(customer_id)
        newest_first = range(len(history.items) - 1, -1, -1)
        shown = [_event(state, history, row) for row in newest_first[:limit]]
    return {"customer_id": customer_id, "events": shown}


def _choice(state: State, customer_id: str) -> dict[str, Any]:
    consent = state.profiles.consent(customer_id) or Consent.NOTHING
    personal = Consent.PERSONALISATION in consent
    return {
        "customer_id": customer_id,
        "personalisation": personal,
        "events": len(state.profiles.history(customer_id).items) if personal else 0,
    }


def _event(state: State, history: Histories, row: int) -> dict[str, Any]:
    timed = history.ordering is Ordering.TIMESTAMP
    return {
        **state.assortment.details[int(history.items[row])],
        "event": _EVENTS[int(history.events[row])].value,
        "timestamp": datetime.fromtimestamp(int(history.times[row]), UTC) if timed else None,
    }
