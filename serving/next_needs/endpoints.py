"""GET /v1/customers/{customer_id}/next-needs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from serving.customers.endpoints import UNKNOWN, CustomerId
from serving.next_needs.schemas import NEXT_NEEDS_EXAMPLE, NextNeedsOut
from serving.next_needs.service import next_needs_of
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import error_example, ok_example
from serving.state import request_id_of, state_of

router = APIRouter(prefix="/v1", tags=["Customers"], route_class=Route)


@router.get(
    "/customers/{customer_id}/next-needs",
    summary="What a customer will need next, by stage of life or after a purchase",
    response_class=Response,
    responses={
        200: ok_example(NextNeedsOut, NEXT_NEEDS_EXAMPLE),
        403: error_example(
            "no_consent",
            "customer 'c-00007' has not consented to personalisation",
            "ask the customer for consent, or use the non-personalised recommendations",
            "customer_id",
        ),
        404: UNKNOWN,
        409: error_example(
            "no_life_plan",
            "silo 'north' has no plan of life stages, and the served model no follow-ups",
            "name a 'life_plan' (and a table 'life_events') in silo.toml, or give followups a share",
        ),
    },
)
async def next_needs(
    request: Request,
    customer_id: CustomerId,
    lead_days: Annotated[int, Query(ge=0, le=365, description="Remind this many days ahead.")] = 30,
    horizon_days: Annotated[int, Query(ge=0, le=730, description="Look this many days ahead.")] = 90,
    k: Annotated[int, Query(ge=1, le=20, description="Items of each category.")] = 5,
) -> Response:
    """Categories that are needed some time after a date the customer gave, or after a purchase.

    The rules are the silo's public plan and follow-ups that silos learned together, with noise: the same for
    everybody. A date is used only where the customer agreed to its use, and to personalisation. What was
    bought in its time is left out; so are follow-ups of categories that the silo excludes.
    """
    answer = next_needs_of(
        state_of(request),
        customer_id,
        lead_days=lead_days,
        horizon_days=horizon_days,
        k=k,
        request_id=request_id_of(request),
    )
    return json_response(answer)
