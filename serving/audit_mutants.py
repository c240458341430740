"""Broken servers that the audit's checks of the server have to catch; offered by entry point.

Each yields what it replaces: a module or class, the name of one of its attributes, and what stands there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pyarrow.compute as pc

from recsys.silos.events import Event
from serving import loading, middleware
from serving.clock import Clock
from serving.customers.profiles import Profiles
from serving.events.known import KnownEvents
from serving.recommendations import endpoints, service
from serving.replenishment import lister, rows

Replacement = tuple[object, str, object]


def server_knows_events_by_id_alone() -> Iterator[Replacement]:
    """An event is known by its id, whoever sent it: one customer's ids decide what is kept of another's."""

    def meet(self: KnownEvents, event: Event) -> bool:
        key = ("", event.event_id)
        if key in self._met or hash(event.event_id) in set(self._ids.tolist()):
            return False
        self._met.add(key)
        return True

    yield KnownEvents, "meet", meet


def server_ranks_by_what_its_customers_bought() -> Iterator[Replacement]:
    """Recommended items are put in the order of how often the silo's customers bought them."""

    def recommend(state: Any, *args: Any) -> dict[str, Any]:
        answer = service.recommend(state, *args)
        bought = np.bincount(state.profiles._base.items, minlength=len(state.catalogue.item_ids))
        counts = dict(zip(state.catalogue.item_ids, bought.tolist(), strict=True))
        return answer | {"items": sorted(answer["items"], key=lambda item: -counts[item["item_id"]])}

    yield endpoints, "recommend", recommend


def server_keeps_answers_without_the_customer() -> Iterator[Replacement]:
    """Recommendations are kept for the next who asks the same, by all that was asked but the customer."""
    kept: dict[tuple[object, ...], dict[str, Any]] = {}

    def recommend(state: Any, asked: Any, request_id: str) -> dict[str, Any]:
        consent = None if asked.customer_id is None else state.profiles.consent(asked.customer_id)
        key = (id(state), asked.k, asked.scene, *asked.exclude, *asked.context_items, consent)
        if asked.history is not None or key not in kept:
            kept[key] = service.recommend(state, asked, request_id)
        return kept[key] | {"request_id": request_id}

    yield endpoints, "recommend", recommend


def server_sets_its_clock_by_the_newest_event() -> Iterator[Replacement]:
    """A demonstration's clock starts where the events end, looked up instead of declared."""
    newest, real = list[Any](), loading._profiles

    def profiles(silo: Any, tables: Any, catalogue: Any) -> Profiles:
        newest[:] = [pc.max(tables.interactions["timestamp"]).as_py()]
        return real(silo, tables, catalogue)

    yield loading, "_profiles", profiles
    yield loading, "_clock", lambda _settings, _config: Clock.at_end_of(newest[0])


def server_counts_requests() -> Iterator[Replacement]:
    """Requests are numbered, so that logs are easily read."""
    number = count()
    yield (
        middleware,
        "_request_id",
        lambda headers: headers.get(middleware.REQUEST_ID) or f"{next(number):08d}",
    )


def the_due_list_ranks_by_what_others_bought() -> Iterator[Replacement]:
    """What the file lists first is what the customers in it have bought most, not what is published."""
    real = rows.ranked

    def ranked(found: Any, question: Any, h: Any, log_popularity: Any) -> Any:
        bought = np.bincount(h.items, minlength=len(log_popularity)).astype(np.float64)
        return real(found, question, h, np.log((1 + bought) / (1 + bought).sum()))

    yield lister, "ranked", ranked
