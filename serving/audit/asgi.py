"""Asks an ASGI app in this process, byte for byte what a client would see."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI

from serving.middleware import REQUEST_ID


@dataclass(frozen=True)
class Answer:
    """Status, headers in order, and body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def json(self) -> Any:
        """The body's values."""
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Call:
    """A request: method, path (as it is, not quoted), query string, JSON body or bytes as they are.

    request_id: what it calls itself, by default the same for all; None leaves that to the server
    """

    method: str
    path: str
    query: str = ""
    body: Any = None
    request_id: str | None = "audit"

    def content(self) -> bytes:
        """The body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else orjson.dumps(self.body)


class InProcess:
    """One event loop for all calls, as a running server has."""

    def __init__(self, app: FastAPI) -> None:
        self._app, self._runner = app, asyncio.Runner()

    def ask(self, call: Call) -> Answer:
        """The whole answer to one call."""
        return self._runner.run(self._ask(call))

    def close(self) -> None:
        """End the app as a server would, and the loop."""
        self._runner.run(self._end())
        self._runner.close()

    async def _end(self) -> None:
        async with self._app.router.lifespan_context(self._app):
            pass

    async def _ask(self, call: Call) -> Answer:
        content, sent = call.content(), list[Any]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = {"content-type": "application/json", "content-length": len(content)}
        headers |= {} if call.request_id is None else {REQUEST_ID: call.request_id}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": call.method,
            "scheme": "http",
            "path": call.path,
            "raw_path": quote(call.path).encode(),
            "query_string": call.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), str(value).encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await self._app(scope, receive, send)
        (start,) = (message for message in sent if message["type"] == "http.response.start")
        body = b"".join(message.get("body", b"") for message in sent)
        return Answer(start["status"], tuple((bytes(n), bytes(v)) for n, v in start["headers"]), body)
