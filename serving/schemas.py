"""What several parts of the API share: identifiers and the shapes of errors and degraded answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_ID = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
Identifier = Annotated[
    str,
    Field(
        min_length=1, max_length=200, pattern=_ID, description="No control characters, no spaces around it."
    ),
]


class Input(BaseModel):
    """Base of everything a client sends: unknown fields are refused, so that a typing error is seen."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    code: str = Field(description="Stable; branch on this.")
    message: str = Field(description="What is wrong, with the offending value.")
    what_to_do: str
    field: str | None = Field(default=None, description="The path of the input field to blame.")


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


class DegradedOut(BaseModel):
    """One thing that an answer did without."""

    code: str
    why: str


class StatementOut(BaseModel):
    """The privacy statement of the served model: what was promised to customers, in figures and in words."""

    model_config = ConfigDict(extra="allow")

    id: str | None = None
    epsilon: float | None = None
    delta: float | None = None


def error_example(code: str, message: str, what_to_do: str, field: str | None = None) -> dict[str, Any]:
    """An OpenAPI response with one worked error."""
    detail = {"code": code, "message": message, "what_to_do": what_to_do}
    body = {"error": detail if field is None else {**detail, "field": field}}
    return {"model": ErrorBody, "content": {"application/json": {"example": body}}}


def ok_example(model: type[BaseModel], example: dict[str, Any], description: str = "OK") -> dict[str, Any]:
    """An OpenAPI response with its model and a worked example."""
    return {
        "model": model,
        "description": description,
        "content": {"application/json": {"example": example}},
    }


COMMON_ERRORS: dict[int | str, dict[str, Any]] = {
    422: error_example(
        "invalid_request",
        "k: Input should be less than or equal to 100, got '500'",
        "correct this field; see /docs for examples",
        "k",
    ),
    500: error_example(
        "internal_error", "the server failed to answer", "try again; report the request id if it persists"
    ),
}
