"""Events of the other customers under the ids of the missing one: new, repeated, in conflict, in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from recsys.data.contracts import Table
from recsys.errors import ThousandFacesError
from recsys.silos.config import SiloConfig
from recsys.silos.event_store import OnlineEventStore
from serving.audit.asgi import Answer, Call
from serving.audit.questions import Question

MADE_UP = ("audit-1", "audit-2")


def event_ids_of(silo: Path, customer_id: str) -> list[str]:
    """Two ids at least: of the customer's events in the tables (as far as they can be read) and the store."""
    config, found = SiloConfig.load(silo), list[str]()
    try:
        rows = config.base_silo().read(Table.INTERACTIONS)
        own = rows.filter(pc.equal(rows["customer_id"], customer_id))
        found += own["event_id"].drop_null().to_pylist()
    except ThousandFacesError:
        pass  # a silo whose tables break the contract is served too, and is asked about with other ids
    if config.online is not None and config.online.exists():
        store = OnlineEventStore(config.online)
        found += [event.event_id for event in store.events_of(customer_id)]
        store.close()
    return [*dict.fromkeys([*found[:2], *found[-2:], *MADE_UP])]


def unseen(_: Answer) -> object:
    """The answer is in part to the customer who is gone; what it did to the others is asked afterwards."""
    return None


def posted(
    customers: Sequence[str],
    consenting: Collection[str],
    gone: str,
    ids: Sequence[str],
    items: Sequence[str],
    now: datetime,
) -> Iterator[Question]:
    """What is posted, by each of the other customers in turn; no two at one time.

    consenting: those of them who consented to anything
    """
    at = (now - timedelta(minutes=1)).isoformat()

    def event(customer: str, event_id: str, number: int, **changes: Any) -> dict[str, Any]:
        made = {"event_id": event_id, "customer_id": customer, "item_id": items[number % len(items)]}
        return made | {"event": "purchase", "quantity": 1.0, "timestamp": at} | changes

    def post(*events: dict[str, Any], kind: str = "events") -> Question:
        return Question(kind, Call("POST", "/v1/events", body={"events": list(events)}))

    for number, customer in enumerate(customers):
        known, other = (ids[(number + step) % len(ids)] for step in (0, 1))
        one, neighbour = event(customer, known, number), customers[number - 1]
        yield post(one)
        yield post(one, one)
        yield post(one | {"quantity": 7.0})
        yield post(
            event(customer, other, number, item_id="no such item"), event(customer, "kept out", number)
        )
        yield post(
            event(neighbour, ids[(number - 1) % len(ids)], number, quantity=9.0),
            event(customer, other, number + 1, event="view"),
        )
        if customer in consenting:  # then it is taken, whatever becomes of the other, and the status is 202
            together = post(event(gone, known, number, quantity=5.0), event(customer, "beside", number))
            yield Question(together.kind, together.call, unseen)
        yield post(event(customer, "signal", number, event=("dismiss", "empty", "decline")[number % 3]))
