"""Why an item is on a page now: its category is needed next."""

from __future__ import annotations

import numpy as np

from recsys.data.history import Histories, Ordering
from recsys.recommend.due import past
from serving.replenishment.calendar import as_date, local_days
from serving.state import State

NOBODY = ""  # has given no dates
SOON = 7
"""Days ahead within which a need is a reason."""


def needed_soon(state: State, history: Histories) -> dict[str, str]:
    """By category, why one customer needs it within a week, in words. Empty without times.

    It reads purchases alone: a date that a customer gave is used in next needs and nowhere else.
    """
    if state.life is None or history.ordering is not Ordering.TIMESTAMP:
        return {}
    now = int(state.clock.seconds())
    today = as_date(int(local_days(np.array([now]), state.timezone)[0]))
    needs = state.life.needs(
        NOBODY,
        past(history, now),
        today=today,
        timezone=state.timezone,
        lead_days=SOON,
        horizon_days=SOON,
    )
    return {need.category: need.text for need in reversed(needs)}
