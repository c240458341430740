"""Why an item is on a page now: "Due again about Friday"."""

from __future__ import annotations

import numpy as np

from recsys.data.history import EventType, Histories, Ordering
from recsys.recommend.due import NO_SIGNAL, due_items
from serving.replenishment.calendar import local_days, weekdays
from serving.replenishment.habits import NAMES
from serving.state import State

SOON = 6
"""Days ahead: within them a weekday's name means one day alone."""

DEVICE = "Your device asks for it"


def due_soon(state: State, history: Histories) -> dict[int, str]:
    """By item, when one customer needs it again, in words; of what is due within 6 days or overdue.

    Rests on the customer's own rhythm (two purchases at least) or a device's signal. Empty without times.
    """
    if history.ordering is not Ordering.TIMESTAMP or not _tells(history):
        return {}
    now = int(state.clock.seconds())
    found = due_items(state.intervals, history, now)
    found = found.where(found.within(now, SOON + 1))
    found = found.where((found.needs.purchases > 1) | (found.signal != NO_SIGNAL))
    if not len(found):
        return {}
    days = local_days(np.append(found.needs.expected, now), state.timezone)
    ahead, names = days[:-1] - days[-1], weekdays(days[:-1])
    told = zip(*(column.tolist() for column in (found.needs.items, found.signal, ahead, names)), strict=True)
    return {
        item: DEVICE if signal != NO_SIGNAL else f"Due again {_when(days_ahead, NAMES[weekday])}"
        for item, signal, days_ahead, weekday in told
        if days_ahead <= SOON
    }


def _tells(history: Histories) -> bool:
    """Whether any item was bought twice, or a device reported: else there is nothing to work out."""
    bought = history.items[history.events == EventType.PURCHASE.code]
    reported = np.isin(history.events, (EventType.EMPTY.code, EventType.EXPIRED.code))
    return len(np.unique(bought)) < len(bought) or bool(reported.any())


def _when(days_ahead: int, weekday: str) -> str:
    if days_ahead <= 0:
        return "today" if days_ahead == 0 else "now"
    return "tomorrow" if days_ahead == 1 else f"about {weekday}"
