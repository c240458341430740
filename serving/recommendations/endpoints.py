"""POST /v1/recommendations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request
from fastapi.responses import Response

from serving.recommendations.schemas import IN_EXAMPLES, OUT_EXAMPLE, RecommendationsIn, RecommendationsOut
from serving.recommendations.service import recommend
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import error_example, ok_example
from serving.state import request_id_of, state_of

router = APIRouter(prefix="/v1", tags=["Recommendations"], route_class=Route)


@router.post(
    "/recommendations",
    summary="Recommend items",
    response_class=Response,
    responses={
        200: ok_example(RecommendationsOut, OUT_EXAMPLE),
        422: error_example(
            "unknown_item",
            "item 'tea-42' is not in the catalogue of the served model",
            "check the id; a new item is known once a bundle with a newer catalogue is served",
            "history.0.item_id",
        ),
    },
)
async def recommendations(
    request: Request, body: Annotated[RecommendationsIn, Body(openapi_examples=IN_EXAMPLES)]
) -> Response:
    """Rank items for a customer of this silo, for a history that travels along, or for nobody in particular.

    There is always an answer: a customer who is unknown, or who has not consented to personalisation, gets
    what is popular, and `degraded` says why. An unknown item in `history` is an error, because it usually
    means a wrong id; one in `context_items` or `exclude` is not, because a cart may hold what the model has
    not met yet.
    """
    return json_response(recommend(state_of(request), body, request_id_of(request)))
