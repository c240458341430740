"""Routes that refuse query parameters they do not declare, so that a typing error is seen."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.responses import Response
from fastapi.routing import APIRoute

from recsys.words import counted
from serving.errors import MAX_SHOWN, ApiError, field_name, shown

API = "/v1/"


class Route(APIRoute):
    """A route of the API. What stands outside /v1 takes any query: probes and scrapers add their own."""

    @cached_property
    def declared(self) -> frozenset[str]:
        """The query parameters of this route; kept, for FastAPI asks for a handler at each request."""
        return frozenset(one.alias for one in get_flat_dependant(self.dependant).query_params)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler behind a look at the parameters' names, which costs nothing without a query."""
        answer, declared = super().get_route_handler(), self.declared
        if not self.path.startswith(API):
            return answer

        async def checked(request: Request) -> Response:
            if request.scope["query_string"] and not declared.issuperset(request.query_params):
                raise _unknown([name for name in request.query_params if name not in declared], declared)
            return await answer(request)

        return checked


def _unknown(names: Sequence[str], declared: frozenset[str]) -> ApiError:
    """422: the first name that is none, the nearest that is one, and all that there are."""
    first, nearest = names[0], get_close_matches(names[0][:MAX_SHOWN].lower(), declared, n=1)
    meant = f"; did you mean '{nearest[0]}'?" if nearest else ""
    more = f" (and {counted(len(names) - 1, 'more problem')})" if len(names) > 1 else ""
    takes = f"one of {', '.join(sorted(declared))}" if declared else "no query parameters"
    return ApiError(
        422,
        "invalid_request",
        f"{shown(first)} is no query parameter of this path{meant}{more}",
        f"correct the name or leave it out; this path takes {takes}",
        field=field_name(first),
    )
