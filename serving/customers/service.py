"""What is due for one customer, from that customer's own rhythm and the published model of intervals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from recsys.data.history import SECONDS_PER_DAY, Histories, Ordering
from recsys.models.replenishment import Due
from serving.customers.profiles import Consent
from serving.errors import ApiError, no_consent, unknown_customer
from serving.state import State

FAR = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())


def replenishment_of(
    state: State, customer_id: str, *, lead_days: float, horizon_days: float, request_id: str
) -> dict[str, Any]:
    """Everything due or overdue within the horizon, soonest first.

    Raises ApiError: 404 unknown customer, 403 no consent to personalisation, 409 a silo without timestamps.
    """
    now = int(state.clock.seconds())
    due = state.intervals.predict(_history(state, customer_id), now, lead_days)
    until = now + horizon_days * SECONDS_PER_DAY
    soon = [one for one in due if one.expected_at <= until and state.assortment.available[one.item]]
    return {
        "customer_id": customer_id,
        "as_of": _moment(now),
        "due": [_due_out(state, one) for one in soon],
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "request_id": request_id,
    }


def _history(state: State, customer_id: str) -> Histories:
    consent = state.profiles.consent(customer_id)
    if consent is None:
        raise unknown_customer(customer_id)
    if Consent.PERSONALISATION not in consent:
        raise no_consent(customer_id, "personalisation")
    history = state.profiles.history(customer_id)
    if history.ordering is not Ordering.TIMESTAMP:
        raise ApiError(
            409,
            "no_event_times",
            f"silo {state.silo_name} has no timestamps, so nothing is known about when",
            "connect a table with timestamps",
        )
    return history


def _due_out(state: State, due: Due) -> dict[str, Any]:
    return {
        **state.assortment.details[due.item],
        "expected_at": _moment(due.expected_at),
        "low": _moment(due.low80),
        "high": _moment(due.high80),
        "remind_at": _moment(due.remind_at),
        **{f"p_within_{days}": round(chance, 4) for days, chance in due.chances.items()},
        "basis": str(due.basis),
    }


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(min(seconds, FAR), UTC)
