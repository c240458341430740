"""From a request to a ranking and back: the only path between the API and the recommender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from recsys.data.history import Histories, Ordering
from recsys.recommend.types import Degraded, Query, Ranking, Recommended, no_history
from serving.customers.profiles import Arrival, Consent, merge
from serving.errors import unknown_item
from serving.next_needs.soon import needed_soon
from serving.recommendations.schemas import HistoryEntry, RecommendationsIn
from serving.replenishment.soon import due_soon
from serving.state import State

UNKNOWN_CUSTOMER = "unknown_customer"
NO_CONSENT = "no_personalisation_consent"
NO_ORDER = "no_event_order"
UNKNOWN_CONTEXT = "unknown_context_items"
MAX_NAMED = 5
COUNTED = frozenset({NO_ORDER, UNKNOWN_CONTEXT, Degraded.ENCODER_UNAVAILABLE})
"""What may be counted for all to see: reasons of the silo, the model or the request, no customer's."""

WHY = {
    UNKNOWN_CUSTOMER: "This customer is not known in this silo, so the answer is what is popular.",
    NO_CONSENT: "This customer has not consented to personalisation, so nothing of theirs was used.",
    NO_ORDER: "This silo's events have no order, so all of them count as one basket.",
    Degraded.NO_HISTORY: "Nothing is known of this customer yet, so the answer is what is popular.",
    Degraded.NOT_CONSENTED: "Without consent to personalisation nothing of this customer was used.",
    Degraded.FEW_CANDIDATES: "Fewer items fit than were asked for.",
    Degraded.ENCODER_UNAVAILABLE: "The taste model could not be used; own history and popularity were.",
}


def recommend(state: State, request: RecommendationsIn, request_id: str) -> dict[str, Any]:
    """The answer to one request as plain values. Raises ApiError for an unknown item in the history."""
    events, reasons = _subject(state, request)
    history = None if events is None else events.without_signals()
    context, unknown = _context(state, request.context_items)
    query = Query(
        history=history if history is not None else no_history(),
        k=request.k,
        scene=request.scene,
        exclude=frozenset(state.known_items(request.exclude)),
        personalised=history is not None,
        candidates=state.assortment.available,
        now=int(state.clock.seconds()),
        context_items=context,
        due={} if events is None else due_soon(state, events),
        next_needs={} if events is None else needed_soon(state, events),
    )
    ranking = state.recommender.recommend(query)
    notes = _all_notes(reasons, ranking, unknown)
    for note in notes:
        if note["code"] in COUNTED:
            state.metrics.degraded(note["code"])
    return {
        "items": [item_out(state, one) for one in ranking.items],
        "model_version": state.model_version,
        "privacy_statement_id": state.statement_id,
        "degraded": notes,
        "request_id": request_id,
    }


def item_out(state: State, one: Recommended) -> dict[str, Any]:
    """One recommended item as the API shows it."""
    reason = one.reason
    about = None if reason.item is None else state.catalogue.item_ids[reason.item]
    return {
        **state.assortment.details[one.item],
        "score": float(one.score),
        "kind": str(one.kind),
        "reason": {"kind": str(reason.kind), "text": reason.text, "item_id": about},
    }


def _subject(state: State, request: RecommendationsIn) -> tuple[Histories | None, list[str]]:
    """The history to use, and why there is none. None means: answer without personalisation."""
    if not request.personalized:
        return None, []
    if request.history is not None:
        return _inline_history(state, request.history), []
    if request.customer_id is None:
        return None, []
    consent = state.profiles.consent(request.customer_id)
    if consent is None:
        return None, [UNKNOWN_CUSTOMER]
    if Consent.PERSONALISATION not in consent:
        return None, [NO_CONSENT]
    history = state.profiles.history(request.customer_id)
    if history.ordering is Ordering.NONE and state.bundle.manifest.sequence.needs_order:
        return replace(history, ordering=Ordering.ORDER_NUMBER), [NO_ORDER]
    return history, []


def _inline_history(state: State, entries: Sequence[HistoryEntry]) -> Histories:
    arrivals = []
    for number, entry in enumerate(entries):
        item = state.item(entry.item_id)
        if item is None:
            raise unknown_item(entry.item_id, field=f"history.{number}.item_id")
        arrivals.append(Arrival(item, _time(entry), entry.event.code, entry.quantity))
    timed = bool(entries) and entries[0].timestamp is not None
    blank = replace(
        no_history(),
        ordering=Ordering.TIMESTAMP if timed else Ordering.ORDER_NUMBER,
        utc_offset_seconds=state.utc_offset_seconds,
    )
    return merge(blank, arrivals)


def _time(entry: HistoryEntry) -> int:
    if entry.timestamp is not None:
        return int(entry.timestamp.timestamp())
    return entry.order_no or 0


def _context(state: State, item_ids: Sequence[str]) -> tuple[tuple[int, ...], list[str]]:
    """A cart may hold what the model does not know yet: that must not cost the customer the page."""
    unknown = [item_id for item_id in item_ids if state.item(item_id) is None]
    return tuple(dict.fromkeys(state.known_items(item_ids))), unknown


def _all_notes(reasons: list[str], ranking: Ranking, unknown: list[str]) -> list[dict[str, str]]:
    """What was degraded and why; the reason found here says more than the recommender's own for the same."""
    implied = {Degraded.NO_HISTORY, Degraded.NOT_CONSENTED} if reasons else set()
    codes = [*reasons, *(code for code in ranking.degraded if code not in implied)]
    notes = [{"code": str(code), "why": WHY.get(code, str(code).replace("_", " "))} for code in codes]
    if unknown:
        named = ", ".join(unknown[:MAX_NAMED]) + (" and more" if len(unknown) > MAX_NAMED else "")
        notes.append({"code": UNKNOWN_CONTEXT, "why": f"Not in the catalogue and left out: {named}."})
    return notes
