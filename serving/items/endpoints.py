"""GET /v1/items/{item_id}/similar."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from serving.items.schemas import SIMILAR_EXAMPLE, SimilarItemsOut
from serving.items.service import similar_items
from serving.recommendations.schemas import MAX_K
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import Identifier, error_example, ok_example
from serving.state import request_id_of, state_of

router = APIRouter(prefix="/v1/items", tags=["Items"], route_class=Route)


@router.get(
    "/{item_id}/similar",
    summary="Find similar items",
    response_class=Response,
    responses={
        200: ok_example(SimilarItemsOut, SIMILAR_EXAMPLE),
        404: error_example(
            "unknown_item",
            "item 'tea-42' is not in the catalogue of the served model",
            "check the id; a new item is known once a bundle with a newer catalogue is served",
            "item_id",
        ),
    },
)
async def similar(
    request: Request,
    item_id: Annotated[Identifier, Path(examples=["oat-milk-1l"])],
    k: Annotated[int, Query(ge=1, le=MAX_K)] = 10,
) -> Response:
    """Items of this silo that are like an item, from the published vectors: the same answer for everybody."""
    return json_response(similar_items(state_of(request), item_id, k, request_id_of(request)))
