"""What one customer needs again: from the own rhythm, devices and answers, and the published model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, EventType, Histories, Ordering
from recsys.recommend.due import NO_SIGNAL, DueItems, bases, due_items, past, standing
from serving.customers.profiles import Consent
from serving.errors import ApiError, no_consent, unknown_customer
from serving.replenishment.advice import stock_up, substitute
from serving.replenishment.calendar import FAR, as_date, local_days
from serving.replenishment.categories import category_needs
from serving.replenishment.habits import weekly_habit
from serving.replenishment.lister import Lister
from serving.replenishment.rows import CHANCES, Question, columns, selected
from serving.state import State

QUESTION = "Order again?"
MOST_MEMBERS = 3
_KINDS = tuple(EventType)


def replenishment_of(
    state: State,
    customer_id: str,
    *,
    lead_days: float,
    horizon_days: float,
    least: float | None,
    limit: int,
    offset: int,
    request_id: str,
) -> dict[str, Any]:
    """What is due within the horizon, soonest first, from `offset` on at most `limit` items.

    Raises ApiError: 404 unknown customer, 403 no consent to personalisation, 409 a silo without timestamps.
    """
    now = int(state.clock.seconds())
    question = Question(now, state.timezone, lead_days, horizon_days, least)
    history = past(timed_history(state, customer_id), now)
    found = selected(due_items(state.intervals, history, now), question, state.assortment.sold)
    place = np.arange(len(found))
    shown = found.where((place >= offset) & (place < offset + limit))
    end = offset + len(shown)
    return {
        "customer_id": customer_id,
        "as_of": moment(now),
        "due": _Teller(state, history, question).items(shown),
        "categories": _categories(state, history, question, found.needs.items) if offset == 0 else [],
        "total": len(found),
        "next_offset": end if end < len(found) else None,
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "request_id": request_id,
    }


def due_page(
    state: State, question: Question, *, after: str | None, customers: int, request_id: str
) -> dict[str, Any]:
    """The due list of the next consenting customers by id. Raises ApiError 409 as above."""
    if state.profiles.ordering is not Ordering.TIMESTAMP:
        raise _no_times(state)
    sale = state.assortment
    lister = Lister(
        state.intervals,
        question,
        sale.sold,
        sale.available,
        state.price_tiers,
        state.bundle.log_popularity,
    )
    ids, histories = state.profiles.page(after, customers)
    return {
        "as_of": moment(question.now),
        "due": lister.table(ids, histories).to_pylist(),
        "next_after": ids[-1] if len(ids) == customers else None,
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "request_id": request_id,
    }


def timed_history(state: State, customer_id: str) -> Histories:
    """A customer's events, if they may be read for the customer and have times. Raises ApiError as above."""
    consent = state.profiles.consent(customer_id)
    if consent is None:
        raise unknown_customer(customer_id)
    if Consent.PERSONALISATION not in consent:
        raise no_consent(customer_id, "personalisation")
    history = state.profiles.history(customer_id)
    if history.ordering is not Ordering.TIMESTAMP:
        raise _no_times(state)
    return history


def _no_times(state: State) -> ApiError:
    return ApiError(
        409,
        "no_event_times",
        f"silo {state.silo_name} has no timestamps, so nothing is known about when",
        "connect a table with timestamps",
    )


def moment(seconds: int) -> datetime:
    """Unix seconds as an aware time, from the year 1840 to 2100."""
    return datetime.fromtimestamp(min(max(seconds, -FAR), FAR), UTC)


class _Teller:
    """Puts one customer's due items into words."""

    def __init__(self, state: State, history: Histories, question: Question) -> None:
        self._state, self._question = state, question
        self._bought = history.purchases()
        self._days = local_days(self._bought.times, state.timezone)
        self._avoid = standing(history)

    def items(self, found: DueItems) -> list[dict[str, Any]]:
        basis, texts = bases(found, self._state.catalogue)
        values = columns(found, self._question)
        return [
            {
                **self._state.assortment.details[int(found.needs.items[row])],
                **told(values, row),
                "remind_at": moment(
                    int(found.needs.expected[row] - self._question.lead_days * SECONDS_PER_DAY)
                ),
                "basis": texts[int(basis[row])],
                **self._advice(found, row),
            }
            for row in range(len(found))
        ]

    def _advice(self, found: DueItems, row: int) -> dict[str, Any]:
        state, item = self._state, int(found.needs.items[row])
        own = self._bought.items == item
        sold_out = not state.assortment.available[item]
        device = found.signal[row] != NO_SIGNAL
        soon_out = not sold_out and self._soon_out(item, int(found.needs.expected[row]))
        return {
            "weekly_habit": self._habit(self._days[own]),
            "season": self._season(item, int(found.needs.expected[row])),
            "device": self._device(found, row) if device else None,
            "out_of_stock": sold_out,
            "out_of_stock_by_then": soon_out,
            "substitute": self._substitute(item) if sold_out or soon_out else None,
            "stock_up": None
            if sold_out or device
            else stock_up(
                price=state.assortment.details[item]["price"],
                list_price=float(state.catalogue.prices[item]),
                units=self._bought.quantities[own],
                last=int(found.needs.last[row]),
                expected=int(found.needs.expected[row]),
                chance=float(found.needs.chances[row, -1]),
                now=self._question.now,
                timezone=state.timezone,
            ),
        }

    def _soon_out(self, item: int, when: int) -> bool:
        outlook = self._state.outlook
        return outlook is not None and outlook.out_by(item, when, self._question.now)

    def _habit(self, days: NDArray[np.int32]) -> dict[str, Any] | None:
        habit = weekly_habit(days)
        if habit is None:
            return None
        share = round(habit.share, 4)
        return {"weekday": habit.name, "share": share, "days": habit.days, "text": f"most {habit.name}s"}

    def _season(self, item: int, expected: int) -> str | None:
        season, when = self._state.intervals.season, max(expected, self._question.now)
        if season is None:
            return None
        return season.words(item, int(local_days(np.array([when]), self._state.timezone)[0]))

    def _device(self, found: DueItems, row: int) -> dict[str, Any]:
        signal = _KINDS[int(found.signal[row])].value
        at = moment(int(found.needs.expected[row]))
        return {"signal": signal, "at": at, "question": QUESTION if found.asked[row] else None}

    def _substitute(self, item: int) -> dict[str, Any] | None:
        allowed = self._state.assortment.available.copy()
        allowed[self._avoid.items[self._avoid.silent]] = False
        nearest = substitute(self._state.bundle, item, allowed)
        if nearest is None:
            return None
        return {**self._state.assortment.details[nearest[0]], "similarity": nearest[1]}


def told(values: Mapping[str, NDArray[Any]], row: int) -> dict[str, Any]:
    """One row of `columns` as values of an answer."""
    return {
        **{name: moment(int(values[name][row])) for name in ("expected_at", "low", "high")},
        "remind_on": as_date(int(values["remind_on"][row])),
        **{name: float(values[name][row]) for name in CHANCES},
    }


def _categories(
    state: State, history: Histories, question: Question, due: NDArray[np.int32]
) -> list[dict[str, Any]]:
    """Categories that are due although no item of them is by itself."""
    stands, codes = standing(history), state.catalogue.category_codes[0]
    needs = category_needs(state.intervals, history, question.now, stands.items[stands.silent])
    taken = np.isin(codes, codes[due])
    found = selected(needs.found, question, ~taken)
    values, answers = columns(found, question), []
    for row, item in enumerate(found.needs.items.tolist()):
        members = needs.members[item]
        if not state.assortment.sold[members].any():
            continue
        own = [one for one in members.tolist() if state.assortment.available[one]]
        category, purchases = state.catalogue.categories[item], int(found.needs.purchases[row])
        answers.append(
            {
                "category": category,
                **told(values, row),
                "basis": f"your own {purchases} purchases of {category}",
                "items": [state.assortment.details[one] for one in own[:MOST_MEMBERS]],
            }
        )
    return answers
