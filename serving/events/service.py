"""Takes events in: check all, store all, then let the very next answer know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from recsys.data.history import SIGNALS, EventType
from recsys.silos.online import Event
from serving.customers.profiles import Arrival, Consent
from serving.errors import ApiError, no_consent, unknown_customer, unknown_item, unknown_store
from serving.events.log import EventLog, EventStoreError
from serving.events.schemas import EventIn
from serving.state import State


async def accept(state: State, incoming: Sequence[EventIn]) -> dict[str, int]:
    """Store a batch and merge it into the histories; counts of accepted and duplicate events.

    Raises ApiError for the first event that cannot be taken; then none of the batch is stored.
    """
    log = _log(state)
    events = [_checked(state, number, one) for number, one in enumerate(incoming)]
    # Shielded: a client that hangs up must not leave an event stored but unseen.
    accepted, duplicates = await asyncio.shield(_store(state, log, events))
    return {"accepted": accepted, "duplicates": duplicates}


async def _store(state: State, log: EventLog, events: list[Event]) -> tuple[int, int]:
    try:
        counts = await log.append(events)
    except EventStoreError as error:
        raise ApiError(503, "event_store_unavailable", str(error), "send the batch again later") from error
    apply(state, log.first_met(events))
    return counts


def apply(state: State, events: Sequence[Event]) -> None:
    """Merge stored events into the histories of customers who consented to personalisation.

    Events of items that the silo does not sell wait in the store, as they do for the next start and training.
    """
    events = [event for event in events if state.assortment.sold[state.catalogue.index(event.item_id)]]
    for customer_id, own in groupby(sorted(events, key=_customer), key=_customer):
        if Consent.PERSONALISATION in (state.profiles.consent(customer_id) or Consent.NOTHING):
            state.profiles.add(customer_id, [_arrival(state, event) for event in own])


def _log(state: State) -> EventLog:
    if state.events is None:
        raise ApiError(
            409,
            "events_not_accepted",
            f"silo {state.silo_name} takes no events",
            "name an 'online' store in silo.toml; the silo's interactions need timestamps",
        )
    return state.events


def _checked(state: State, number: int, event: EventIn) -> Event:
    consent = state.profiles.consent(event.customer_id)
    if consent is None:
        raise unknown_customer(event.customer_id, field=f"events.{number}.customer_id")
    if not consent:
        raise no_consent(
            event.customer_id, "training or personalisation", field=f"events.{number}.customer_id"
        )
    if event.event in SIGNALS and Consent.PERSONALISATION not in consent:
        raise no_consent(event.customer_id, "personalisation", field=f"events.{number}.customer_id")
    if state.item(event.item_id) is None:
        raise unknown_item(event.item_id, field=f"events.{number}.item_id")
    if event.store_id is not None and state.stores and event.store_id not in state.stores:
        raise unknown_store(event.store_id, field=f"events.{number}.store_id")
    _refuse_future(state, number, event)
    return Event(
        event.event_id,
        event.customer_id,
        event.item_id,
        event.event.value,
        event.quantity,
        event.timestamp,
        event.store_id,
        event.price,
    )


def _refuse_future(state: State, number: int, event: EventIn) -> None:
    now = state.clock.now()
    if event.timestamp > now + timedelta(seconds=state.settings.max_clock_skew_seconds):
        raise ApiError(
            422,
            "future_timestamp",
            f"event '{event.event_id}' is from {event.timestamp.isoformat()}, the server's time is "
            f"{now.isoformat(timespec='seconds')}",
            "correct the sender's clock",
            field=f"events.{number}.timestamp",
        )


def _customer(event: Event) -> str:
    return event.customer_id


def _arrival(state: State, event: Event) -> Arrival:
    position = state.catalogue.index(event.item_id)
    return Arrival(position, int(event.timestamp.timestamp()), EventType(event.event).code, event.quantity)
