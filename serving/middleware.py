"""Around every request: an id, a bound on its body, its time, and a calm answer when the server fails."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import INTERNAL, ApiError, body_too_large, to_response
from serving.metrics import Metrics

logger = logging.getLogger("thousandfaces.serving")

REQUEST_ID = "x-request-id"
_CLIENT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"})
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Envelope:
    """Pure ASGI middleware, to cost microseconds; it logs no path and no body, which may name a customer."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, max_body_bytes: int) -> None:
        self.app, self.metrics, self.max_body_bytes = app, metrics, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = _Exchange(send, _request_id(headers))
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        started = time.perf_counter()
        try:
            await self._answer(scope, headers, receive, exchange)
        finally:
            self._observe(scope, exchange.status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, exchange: _Exchange) -> None:
        declared = headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self.max_body_bytes:
            problem = body_too_large(self.max_body_bytes)
            error = ApiError(413, "body_too_large", problem.detail, "send smaller batches")
            await to_response(error)(scope, receive, exchange.send)
            return
        try:
            await self.app(scope, _Bounded(receive, self.max_body_bytes), exchange.send)
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            if exchange.status:
                raise
            await to_response(INTERNAL)(scope, receive, exchange.send)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.metrics.observe(route=route, method=method, status=status, seconds=seconds)


class _Exchange:
    """The sending side of one request: remembers the status, adds the headers."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self.request_id, self.status = send, request_id, 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID] = self.request_id
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


class _Bounded:
    """The receiving side of one request: refuses a body that grows past the bound, whatever it declared."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit, self._read = receive, limit, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self._limit:
            raise body_too_large(self._limit)
        return message


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if _CLIENT_ID.fullmatch(given) else secrets.token_hex(8)
