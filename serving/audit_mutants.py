"""Broken servers that the audit's checks of the server have to catch; offered by entry point.

Each yields what it replaces: a module or class, the name of one of its attributes, and what stands there.
"""

from __future__ import annotations

from collections.abc import Iterator

from recsys.silos.events import Event
from serving.events.known import KnownEvents

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
