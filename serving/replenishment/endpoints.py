"""What is due: of one customer, and of all customers page by page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from serving.customers.endpoints import UNKNOWN, CustomerId
from serving.replenishment.rows import Question
from serving.replenishment.schemas import (
    DUE_LIST_EXAMPLE,
    REPLENISHMENT_EXAMPLE,
    DueListOut,
    ReplenishmentOut,
)
from serving.replenishment.service import due_page, replenishment_of
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import error_example, ok_example
from serving.state import request_id_of, state_of

router = APIRouter(prefix="/v1", tags=["Customers"], route_class=Route)

LEAST = (
    "Not what is expected (more likely than not) within these days, but what is needed with at least this "
    "chance within the shortest of 3, 7, 14 and 30 days that covers them."
)
NO_TIMES = error_example(
    "no_event_times",
    "silo 'north' has no timestamps, so nothing is known about when",
    "connect a table with timestamps",
)


@router.get(
    "/customers/{customer_id}/replenishment",
    summary="What a customer will need again, and when",
    response_class=Response,
    responses={
        200: ok_example(ReplenishmentOut, REPLENISHMENT_EXAMPLE),
        403: error_example(
            "no_consent",
            "customer 'c-00007' has not consented to personalisation",
            "ask the customer for consent, or use the non-personalised recommendations",
            "customer_id",
        ),
        404: UNKNOWN,
        409: NO_TIMES,
    },
)
async def replenishment(
    request: Request,
    customer_id: CustomerId,
    lead_days: Annotated[float, Query(ge=0, le=30, description="Remind this many days ahead.")] = 3,
    horizon_days: Annotated[float, Query(gt=0, le=365, description="Look this many days ahead.")] = 30,
    least: Annotated[float | None, Query(ge=0, le=1, description=LEAST)] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many items.")] = 100,
    offset: Annotated[int, Query(ge=0, le=100_000, description="Leave out so many items.")] = 0,
) -> Response:
    """The consumables that are due, or overdue, within the horizon: soonest first, with how sure that is.

    What was returned or dismissed is left out until it is bought again; what was declined (the event
    `decline`), until it is bought again or a device reports. A device's event `empty` or `expired` makes its
    item due at once and asks whether to order again. What is out of stock comes with a substitute.
    """
    answer = replenishment_of(
        state_of(request),
        customer_id,
        lead_days=lead_days,
        horizon_days=horizon_days,
        least=least,
        limit=limit,
        offset=offset,
        request_id=request_id_of(request),
    )
    return json_response(answer)


@router.get(
    "/replenishment/due",
    summary="What is due for all customers, page by page",
    response_class=Response,
    responses={200: ok_example(DueListOut, DUE_LIST_EXAMPLE), 409: NO_TIMES},
)
async def due_list(
    request: Request,
    within: Annotated[float, Query(gt=0, le=365, description="Look this many days ahead.")] = 14,
    least: Annotated[float | None, Query(ge=0, le=1, description=LEAST)] = None,
    most: Annotated[int | None, Query(ge=1, le=1000, description="Items of a customer, by rank.")] = None,
    lead_days: Annotated[float, Query(ge=0, le=30, description="Remind this many days ahead.")] = 3,
    customers: Annotated[int, Query(ge=1, le=200, description="Customers looked at for a page.")] = 100,
    after: Annotated[str | None, Query(min_length=1, description="`next_after` of the page before.")] = None,
) -> Response:
    """The due list for push and CRM inside the silo, of customers who consented to personalisation.

    A whole silo's comes faster as a file, by the command `thousandfaces replenishment due`, with the same
    numbers. Each customer's items come by rank: first what the next basket is likeliest to hold, by how often
    baskets held it lately, its chance within the days, usual units and published popularity.

    The flags `price_sensitive` and `dormant` come from the customer's own events and public prices; they may
    decide on a coupon, never on a price of the customer's own.
    """
    state = state_of(request)
    question = Question(int(state.clock.seconds()), state.timezone, lead_days, within, least, most)
    answer = due_page(state, question, after=after, customers=customers, request_id=request_id_of(request))
    return json_response(answer)
