"""On a demo server only: customers to choose from, and what they did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from serving.customers.demo import customers_to_choose, latest_events
from serving.customers.schemas import DemoCustomersOut, DemoHistoryOut
from serving.errors import ADD_CUSTOMER
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import Identifier, error_example, ok_example
from serving.state import state_of

demo_router = APIRouter(prefix="/v1/demo", tags=["Demo"], route_class=Route)

CustomerId = Annotated[Identifier, Path(examples=["c-00042"])]

UNKNOWN = error_example(
    "unknown_customer",
    "customer 'c-99999' is not in this silo's customers table",
    ADD_CUSTOMER,
    "customer_id",
)


@demo_router.get(
    "/customers",
    summary="Customers to choose from",
    response_class=Response,
    responses={
        200: ok_example(
            DemoCustomersOut,
            {
                "customers": [{"customer_id": "c-00042", "personalisation": True, "events": 57}],
                "now": "2026-03-02T08:20:00Z",
            },
        )
    },
)
async def customers(request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
    """Some customers of this silo, so that the demo page can offer them. Only on a demo server."""
    return json_response(customers_to_choose(state_of(request), limit))


@demo_router.get(
    "/customers/{customer_id}/events",
    summary="A customer's latest events",
    response_class=Response,
    responses={
        200: ok_example(
            DemoHistoryOut,
            {
                "customer_id": "c-00042",
                "events": [
                    {
                        "item_id": "oat-milk-1l",
                        "title": "Oat milk 1 l",
                        "brand": "Fieldwell",
                        "category": "milk alternatives",
                        "price": 1.89,
                        "event": "purchase",
                        "timestamp": "2026-03-01T16:02:00Z",
                    }
                ],
            },
        ),
        404: UNKNOWN,
    },
)
async def events(
    request: Request, customer_id: CustomerId, limit: Annotated[int, Query(ge=1, le=100)] = 12
) -> Response:
    """What the demo page shows beside the recommendations. Only on a demo server."""
    return json_response(latest_events(state_of(request), customer_id, limit))
