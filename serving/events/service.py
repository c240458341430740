"""Takes events in: check all, store all, then let the very next answer know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any, NamedTuple

from recsys.data.history import SIGNALS, EventType
from recsys.silos.online import Event
from serving.customers.profiles import Arrival, Consent
from serving.errors import ApiError, as_api_error, no_consent, unknown_customer, unknown_item, unknown_store
from serving.events.log import EventLog, EventStoreError
from serving.events.schemas import EventIn
from serving.state import State


@dataclass(frozen=True)
class Refusal:
    """Why one customer's events of a batch were not taken: the first at fault, by its index in the batch."""

    customer_id: str
    index: int
    error: ApiError

    def told(self) -> dict[str, Any]:
        """As the answer lists it."""
        return {"customer_id": self.customer_id, "index": self.index, **self.error.body()["error"]}


async def accept(state: State, incoming: Sequence[EventIn]) -> dict[str, Any]:
    """Store a batch and merge it into the histories; counts of accepted and duplicate events.

    Each customer's events are taken whole or not at all; `refused` is there if some customers' were not.
    Raises ApiError if nothing was taken: for the first event that could not be.

    Guarantee: what is taken of a customer depends on that customer's events and on public tables alone. Only
    a store that cannot be written to refuses all.
    """
    log = _log(state)
    checked, refusals = _by_customer(state, incoming)
    # Shielded: a client that hangs up must not leave an event stored but unseen.
    stored = await asyncio.shield(_store(state, log, checked)) if checked else Stored(0, 0, [])
    refusals = sorted([*refusals, *stored.refusals], key=lambda one: one.index)
    if refusals and not stored.accepted + stored.duplicates:
        raise refusals[0].error
    counts = {"accepted": stored.accepted, "duplicates": stored.duplicates}
    return counts | ({"refused": [one.told() for one in refusals]} if refusals else {})


def _by_customer(state: State, incoming: Sequence[EventIn]) -> tuple[list[tuple[int, Event]], list[Refusal]]:
    """With their indices, events of customers whose events are all sound; of the others, a refusal each."""
    checked, refused = list[tuple[int, Event]](), dict[str, Refusal]()
    for index, one in enumerate(incoming):
        if one.customer_id in refused:
            continue
        try:
            checked.append((index, _checked(state, index, one)))
        except ApiError as error:
            refused[one.customer_id] = Refusal(one.customer_id, index, error)
    sound = [(index, event) for index, event in checked if event.customer_id not in refused]
    return sound, list(refused.values())


class Stored(NamedTuple):
    """What the store did with a batch."""

    accepted: int
    duplicates: int
    refusals: list[Refusal]


async def _store(state: State, log: EventLog, numbered: Sequence[tuple[int, Event]]) -> Stored:
    events = [event for _, event in numbered]
    try:
        appended = await log.append(events)
    except EventStoreError as error:
        raise ApiError(503, "event_store_unavailable", str(error), "send the batch again later") from error
    refusals = [
        Refusal(events[position].customer_id, numbered[position][0], as_api_error(error))
        for position, error in appended.refused
    ]
    without = {one.customer_id for one in refusals}
    apply(state, log.first_met([event for event in events if event.customer_id not in without]))
    return Stored(appended.accepted, appended.duplicates, refusals)


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
