"""GET /v1/model, /health/live, /health/ready and /metrics: about the server itself, never about customers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.metrics import CONTENT_TYPE
from serving.model.schemas import MODEL_EXAMPLE, ModelOut, ReadyOut
from serving.model.statement import in_plain_words
from serving.responses import json_response
from serving.routes import Route
from serving.schemas import ok_example
from serving.state import state_of

router = APIRouter(tags=["Server"], route_class=Route)


@router.get(
    "/v1/model",
    summary="Show the served model and its privacy statement",
    response_class=Response,
    responses={200: ok_example(ModelOut, MODEL_EXAMPLE)},
)
async def model(request: Request) -> Response:
    """Which model this silo serves, what privacy it promises, and the server's clock."""
    state = state_of(request)
    return json_response(
        {
            "silo": state.silo_name,
            "model_version": state.model_version,
            "created_at": state.bundle.manifest.created_at,
            "items": len(state.catalogue),
            "privacy_statement": state.statement,
            "in_plain_words": in_plain_words(state.statement),
            "now": state.clock.now(),
        }
    )


@router.get(
    "/health/live",
    summary="Is the process alive?",
    response_class=Response,
    responses={200: {"content": {"application/json": {"example": {"status": "live"}}}}},
)
async def live() -> Response:
    """Answers as long as the event loop turns."""
    return json_response({"status": "live"})


@router.get(
    "/health/ready",
    summary="Is it ready to answer?",
    response_class=Response,
    responses={
        200: ok_example(ReadyOut, {"status": "ready", "silo": "north", "model_version": "2f6c1e0b9a8d7c55"})
    },
)
async def ready(request: Request) -> Response:
    """The model and the customers are loaded before the server listens, so an answer means: ready."""
    state = state_of(request)
    return json_response({"status": "ready", "silo": state.silo_name, "model_version": state.model_version})


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/plain": {
                    "example": 'thousandfaces_requests_total{method="GET",route="/v1/model",status="200"} 7.0'
                }
            }
        }
    },
)
async def metrics(request: Request) -> Response:
    """Requests, latencies and degraded answers by route; nothing about customers."""
    return Response(state_of(request).metrics.render(), media_type=CONTENT_TYPE)
