"""Run an app with uvicorn: one process, one event loop, a graceful end, and one-line errors."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from recsys.errors import ConfigError

GRACE_SECONDS = 10


def run_server(app: FastAPI, *, host: str, port: int, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, finish the open requests, return.

    on_ready: called once with the page's address when requests are answered; port 0 takes a free port.
    Raises ConfigError where the address cannot be bound.
    """
    listener = _bind(host, port)
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_level="warning",
        access_log=False,  # paths name customers
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _AnnouncingServer(config, _address(host, listener), on_ready)
    previous = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again after a clean end
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, previous)


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, address: str, on_ready: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._address, self._on_ready = address, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._on_ready is not None and self.started:
            self._on_ready(self._address)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; "
            "stop what uses it, or choose another --port"
        ) from error
    listener.set_inheritable(True)
    return listener


def _address(host: str, listener: socket.socket) -> str:
    shown = "localhost" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{shown}:{listener.getsockname()[1]}/"
