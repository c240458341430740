"""What answers and lists say of each due pair, from one place: so they say the same of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.replenishment import HORIZONS
from recsys.recommend.due import DueItems
from recsys.recommend.list_order import list_scores, places
from serving.replenishment.calendar import FAR, local_days

CHANCES = tuple(f"p_within_{days}" for days in HORIZONS)
DIGITS = 4


@dataclass(frozen=True)
class Question:
    """What is asked of the model: what is due at a moment.

    now: Unix seconds; timezone: of the silo, IANA; lead_days: remind so many days ahead
    within: look so many days ahead; least: by this chance rather than by the expected date
    most: at most so many items of a customer, the first by `list_scores`; None for all (lists alone)
    """

    now: int
    timezone: str
    lead_days: float = 3.0
    within: float = 14.0
    least: float | None = None
    most: int | None = None


def selected(found: DueItems, question: Question, allowed: NDArray[np.bool_]) -> DueItems:
    """The pairs that are due and allowed (bool [n_items]): by customer, the soonest first."""
    found = found.where(found.within(question.now, question.within, question.least))
    found = found.where(allowed[found.needs.items])
    needs = found.needs
    return _ordered(found, np.lexsort((needs.items, needs.expected, needs.customers)))


def ranked(
    found: DueItems, question: Question, h: Histories, log_popularity: NDArray[Any]
) -> tuple[DueItems, NDArray[np.int64]]:
    """What a list names, `most` of each customer's pairs: what the next basket is likeliest to hold first.

    found: of these histories, as `selected` gives them. Second: each pair's place in its customer's list,
    from 1; int64 [pairs].
    """
    rank = places(found.needs.customers, list_scores(found, h, log_popularity, question.within))
    order = np.lexsort((rank, found.needs.customers))
    if question.most is not None:
        order = order[rank[order] <= question.most]
    return _ordered(found, order), rank[order]


def columns(found: DueItems, question: Question) -> dict[str, NDArray[Any]]:
    """By name, as answers and lists give them.

    expected_at, low, high: Unix seconds, int64; remind_on: days since 1970, int32, the local day `lead_days`
    before it is expected, but not before the day of the question; CHANCES: float64, to four digits
    """
    needs = found.needs
    moments = {"expected_at": needs.expected, "low": needs.low, "high": needs.high}
    today = local_days(np.array([question.now]), question.timezone)[0]
    remind = local_days(needs.expected, question.timezone, question.lead_days)
    chances = np.round(needs.chances, DIGITS)
    return {
        **{name: np.clip(values, -FAR, FAR) for name, values in moments.items()},
        "remind_on": np.maximum(remind, today),
        **{name: chances[:, place] for place, name in enumerate(CHANCES)},
    }


def _ordered(found: DueItems, order: NDArray[np.int64]) -> DueItems:
    needs = type(found.needs)(*(getattr(found.needs, n)[order] for n in found.needs.__dataclass_fields__))
    return DueItems(needs, found.signal[order], found.asked[order])
