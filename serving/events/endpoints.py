"""POST /v1/events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response

from serving.errors import ADD_CUSTOMER
from serving.events.schemas import EXAMPLES, EventsAccepted, EventsIn, EventsPartlyAccepted
from serving.events.service import accept
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import error_example, ok_example
from serving.state import state_of

router = APIRouter(prefix="/v1", tags=["Events"], route_class=Route)


@router.post(
    "/events",
    summary="Send events",
    status_code=202,
    response_class=Response,
    responses={
        202: {
            **ok_example(EventsAccepted, {"accepted": 2, "duplicates": 0}, "Stored"),
            "model": EventsAccepted | EventsPartlyAccepted,
        },
        403: error_example(
            "no_consent",
            "customer 'c-00007' has not consented to training or personalisation",
            "ask the customer for consent, or use the non-personalised recommendations",
            "events.0.customer_id",
        ),
        404: error_example(
            "unknown_customer",
            "customer 'c-99999' is not in this silo's customers table",
            ADD_CUSTOMER,
            "events.0.customer_id",
        ),
        409: error_example(
            "event_conflict",
            "event 'web-7f3a9c' is stored with another quantity",
            "send each event under its own id; never change one that was sent",
        ),
        422: error_example(
            "unknown_item",
            "item 'tea-42' is not in the catalogue of the served model",
            "check the id; a new item is known once a bundle with a newer catalogue is served",
            "events.0.item_id",
        ),
    },
)
async def events(request: Request, body: Annotated[EventsIn, Body(openapi_examples=EXAMPLES)]) -> Response:
    """Store one event or a batch of at most 500, and use it in the very next answer.

    Each customer's events of a batch are stored whole or not at all, and they are on disk before the answer
    is sent. If some customers' events cannot be taken the others' are, and `refused` says which were not and
    why; if none can, the answer is the error of the first. A request that breaks the schema is refused whole.

    `event_id` is unique within the customer and makes it safe to send again: an event that the customer
    already has with the same content counts as a duplicate.

    A customer must be in the silo's customers table, where consent is recorded; an event alone is no consent.
    Events of a customer who consented to training only are stored for the next training and do not change
    answers; those of a customer who consented to nothing are refused.
    """
    return json_response(await accept(state_of(request), body.events), status=202)
