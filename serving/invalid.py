"""What is wrong with a request that breaks the contract, in words for who wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from recsys.words import counted
from serving.errors import INTERNAL, ApiError, field_name, shown, to_response

NO_JSON_BODY = ApiError(
    422,
    "invalid_request",
    "body: not sent as JSON",
    "send the header 'content-type: application/json' with a JSON body",
    field="body",
)


async def validation_error(_: Request, error: Exception) -> Response:
    """The first cause, and how many more there are."""
    if not isinstance(error, RequestValidationError) or not error.errors():
        return to_response(INTERNAL)
    first, *others = _told(error.errors())
    if first["type"] == "json_invalid":
        return to_response(_no_json(first))
    field = _field(first["loc"])
    if field == "body" and isinstance(first.get("input"), bytes):
        return to_response(NO_JSON_BODY)
    more = f" (and {counted(len(others), 'more problem')})" if others else ""
    given = "" if isinstance(first.get("input"), dict | list) else f", got {_as_json(first.get('input'))}"
    message = f"{field}: {_in_words(first)}{given}{more}"
    return to_response(
        ApiError(422, "invalid_request", message, "correct this field; see /docs for examples", field=field)
    )


def _told(problems: Sequence[Any]) -> Sequence[Any]:
    """The problems without those that follow from others: a list is too short once its entry failed."""
    causes = [problem for problem in problems if problem["type"] != "too_short" or not problem["input"]]
    return causes or problems


def _no_json(problem: Mapping[str, Any]) -> ApiError:
    why = problem.get("ctx", {}).get("error", "")
    return ApiError(
        422,
        "invalid_request",
        f"body: not JSON at character {problem['loc'][-1]}: {why}",
        "correct the JSON; see /docs for examples",
        field="body",
    )


def _in_words(problem: Mapping[str, Any]) -> str:
    """Pydantic's message in the words of JSON and of people who do not read patterns."""
    if problem["type"] == "string_pattern_mismatch":
        return "has characters that no id has (spaces at its ends, or control characters)"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message.replace("valid tuple", "valid list").replace("Tuple should", "List should")


def _as_json(value: object) -> str:
    return json.dumps(value) if value is None or isinstance(value, bool) else shown(value)


def _field(location: tuple[str | int, ...]) -> str:
    """('body', 'events', 3, 'quantity') -> 'events.3.quantity'."""
    parts = location[1:] if len(location) > 1 and location[0] in {"body", "query", "path"} else location
    return field_name(".".join(str(part) for part in parts))
