"""JSON responses by orjson, built from plain dicts: no response model is validated on the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi.responses import Response


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A body of dicts, lists, strings, numbers and datetimes as an HTTP response."""
    return Response(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z),
        status_code=status,
        headers=dict(headers) if headers else None,
        media_type="application/json",
    )
