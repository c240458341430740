"""Errors as the API tells them: a code to branch on, what is wrong, what to do; and their HTTP statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from recsys.errors import (
    DataContractError,
    EventConflictError,
    OrderingError,
    ThousandFacesError,
    UnknownCustomerError,
    UnknownItemError,
)
from serving.responses import json_response

MAX_SHOWN = 80
ADD_CUSTOMER = (
    "add the customer and their consent to the customers table, or send a 'history' instead of an id"
)


class ApiError(Exception):
    """An answer that is an error: HTTP status, stable code, message, remedy and the field it is about."""

    def __init__(
        self, status: int, code: str, message: str, what_to_do: str, *, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.what_to_do = status, code, message, what_to_do
        self.field = field

    def body(self) -> dict[str, Any]:
        """The JSON body; `field` only where one input field is to blame."""
        error = {"code": self.code, "message": self.message, "what_to_do": self.what_to_do}
        return {"error": error if self.field is None else {**error, "field": self.field}}


def shown(value: object) -> str:
    """A client's value, short and printable, so that it can be named in a message."""
    text = _escaped(value if isinstance(value, str) else repr(value))
    return f"'{text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + '…'}'"


def field_name(name: str) -> str:
    """A field's name as a client wrote it, short and printable."""
    return _escaped(name)[:MAX_SHOWN]


def _escaped(text: str) -> str:
    """As far as it is shown, with escapes for control characters and the like, which would break lines."""
    start = text[: MAX_SHOWN + 1]
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in start)


def unknown_customer(customer_id: str, *, field: str = "customer_id") -> ApiError:
    """404: this silo has no such customer."""
    return ApiError(
        404,
        "unknown_customer",
        f"customer {shown(customer_id)} is not in this silo's customers table",
        ADD_CUSTOMER,
        field=field,
    )


def no_consent(customer_id: str, purpose: str, *, field: str = "customer_id") -> ApiError:
    """403: the customer's consent does not cover what was asked."""
    return ApiError(
        403,
        "no_consent",
        f"customer {shown(customer_id)} has not consented to {purpose}",
        "ask the customer for consent, or use the non-personalised recommendations",
        field=field,
    )


def unknown_item(item_id: str, *, field: str, status: int = 422) -> ApiError:
    """The public catalogue has no such item: 422 in a body, 404 in a path."""
    return ApiError(
        status,
        "unknown_item",
        f"item {shown(item_id)} is not in the catalogue of the served model",
        "check the id; a new item is known once a bundle with a newer catalogue is served",
        field=field,
    )


def unknown_store(store_id: str, *, field: str) -> ApiError:
    """422: the silo lists its stores, and this one is not among them."""
    return ApiError(
        422,
        "unknown_store",
        f"store {shown(store_id)} is not in this silo's stores table",
        "check the id, or leave it out for what happened in no store",
        field=field,
    )


def body_too_large(limit: int) -> HTTPException:
    """413, raised while the body is being read."""
    return HTTPException(413, f"the request body is larger than {limit} bytes")


_HTTP_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "send a body of valid UTF-8 JSON"),
    404: ("not_found", "see /docs for the paths of this API"),
    405: ("method_not_allowed", "see /docs for the methods of this path"),
    413: ("body_too_large", "send smaller batches"),
}

_DOMAIN_ERRORS: tuple[tuple[type[ThousandFacesError], int, str, str], ...] = (
    (UnknownItemError, 422, "unknown_item", "check the item id"),
    (UnknownCustomerError, 404, "unknown_customer", "check the customer id"),
    (
        EventConflictError,
        409,
        "event_conflict",
        "send each event under its own id; never change one that was sent",
    ),
    (DataContractError, 422, "invalid_request", "correct the value; see /docs for examples"),
    (OrderingError, 409, "no_event_times", "connect a table with timestamps"),
)

INTERNAL = ApiError(
    500, "internal_error", "the server failed to answer", "try again; report the request id if it persists"
)


def as_api_error(error: Exception) -> ApiError:
    """An error of the domain as the API tells it; the internal error for any other."""
    for kind, status, code, remedy in _DOMAIN_ERRORS:
        if isinstance(error, kind):
            return ApiError(status, code, str(error), remedy)
    return INTERNAL


def install(app: FastAPI) -> None:
    """Make every error of the app one JSON shape."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ThousandFacesError, _domain_error)


def to_response(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """The error as an HTTP response."""
    return json_response(error.body(), status=error.status, headers=headers)


async def _api_error(_: Request, error: Exception) -> Response:
    return to_response(error) if isinstance(error, ApiError) else to_response(INTERNAL)


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return to_response(INTERNAL)
    code, remedy = _HTTP_ERRORS.get(error.status_code, ("http_error", "see /docs"))
    return to_response(ApiError(error.status_code, code, str(error.detail), remedy), error.headers)


async def _domain_error(_: Request, error: Exception) -> Response:
    return to_response(as_api_error(error))
