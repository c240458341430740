"""Broken servers that the audit's checks of the server have to catch; offered by entry point.

Each yields what it replaces: a module or class, the name of one of its attributes, and what stands there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from recsys.silos.events import Event
from serving.events.known import KnownEvents
from serving.recommendations import endpoints, service

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
