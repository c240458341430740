"""GET /v1/demand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from serving.demand.schemas import DEMAND_EXAMPLE, DemandOut
from serving.demand.service import demand_page
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import error_example, ok_example
from serving.state import request_id_of, state_of

router = APIRouter(prefix="/v1", tags=["Supply"], route_class=Route)


@router.get(
    "/demand",
    summary="How many units of each item will be bought in each store area",
    response_class=Response,
    responses={
        200: ok_example(DemandOut, DEMAND_EXAMPLE),
        404: error_example(
            "no_demand_forecast",
            "the served model has no forecast of the sales of silo 'north'",
            "train with a share for 'demand', with this silo and up to a moment that is known",
        ),
    },
)
async def demand(
    request: Request,
    days: Annotated[float, Query(gt=0, le=366, description="Units within so many days.")] = 7,
    area: Annotated[list[str] | None, Query(max_length=100, description="Only these areas.")] = None,
    item: Annotated[list[str] | None, Query(max_length=1000, description="Only these items.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many rows.")] = 1000,
    offset: Annotated[int, Query(ge=0, le=100_000_000, description="Leave out so many rows.")] = 0,
) -> Response:
    """Forecasts made of noised and charged sums alone: no customer's purchases can be told from them.

    They are of the customers who consent to training; scale them by what share of the sales those make. A
    whole silo's comes as a file by `thousandfaces demand forecast`, with the same numbers.
    """
    answer = demand_page(
        state_of(request),
        days=days,
        areas=area,
        items=item,
        limit=limit,
        offset=offset,
        request_id=request_id_of(request),
    )
    return json_response(answer)
