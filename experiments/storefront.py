"""The demo's shop window: a real server in a process of its own, and what an app would send it over HTTP."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import httpx

from recsys.data.history import EventType
from recsys.errors import TrainingError

READY_SECONDS = 180.0  # a busy machine is no reason to fail


@dataclass(frozen=True)
class Visit:
    """One customer's page before and after an event, as item titles, best first."""

    silo: str
    customer: str
    before: tuple[str, ...]
    reasons: tuple[str, ...]
    event: str
    after: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether the event changed the very next answer."""
        return self.before != self.after


class Server:
    """A running `thousandfaces serve`; `address` is its page."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address

    def wait(self) -> None:
        """Serve until somebody stops it."""
        self.process.wait()


@contextmanager
def serving(bundle: str, silos: Sequence[Path], *, port: int, log: Path) -> Iterator[Server]:
    """Start a server for all silos on loopback, wait until it answers, stop it at the end.

    Raises TrainingError with the server's own last words if it does not come up.
    """
    command = [sys.executable, "-m", "recsys.cli", "serve", "--demo", "--bundle", bundle, "--port", str(port)]
    for silo in silos:
        command += ["--silo", str(silo)]
    before = signal.signal(signal.SIGTERM, _stop)
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603
    try:
        yield Server(process, _announced(process, log))
    finally:
        process.terminate()
        process.wait()
        signal.signal(signal.SIGTERM, before)


def _stop(*_: object) -> NoReturn:
    """Leave as by Ctrl-C, so that the server is stopped too."""
    raise KeyboardInterrupt


def _announced(process: subprocess.Popen[str], log: Path) -> str:
    """The address in the server's first line; a server that says nothing in time is stopped."""
    timer = threading.Timer(READY_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        timer.cancel()
    if not line:
        words = log.read_text().strip().splitlines() or ["no message"]
        raise TrainingError(f"the demo's server did not start: {words[-1]}")
    return next(word for word in line.split() if word.startswith("http"))


class Shopper:
    """An app's side of the API, for one silo."""

    def __init__(self, client: httpx.Client, address: str, silo: str) -> None:
        self._client, self._base, self.silo = client, f"{address}silos/{silo}/v1", silo

    def customers(self, limit: int) -> list[str]:
        """Some customers of the silo (a demo server lists them)."""
        found = self._get("/demo/customers", limit=limit)["customers"]
        return [str(customer["customer_id"]) for customer in found]

    def page(self, customer: str, k: int = 5) -> list[dict[str, Any]]:
        """The customer's recommendations."""
        items: list[dict[str, Any]] = self._post("/recommendations", {"customer_id": customer, "k": k})[
            "items"
        ]
        return items

    def due(self, customer: str) -> list[dict[str, Any]]:
        """What the customer will need again."""
        due: list[dict[str, Any]] = self._get(f"/customers/{customer}/replenishment")["due"]
        return due

    def visit(self, customer: str) -> Visit:
        """Look at the page, say that its first item is of no interest, look again."""
        before = self.page(customer)
        event = {
            "event_id": f"demo-{uuid4().hex}",
            "customer_id": customer,
            "item_id": before[0]["item_id"],
            "event": EventType.DISMISS.value,
            "timestamp": self._now(),
        }
        self._post("/events", event)
        return Visit(
            self.silo,
            customer,
            tuple(item["title"] for item in before),
            tuple(item["reason"]["text"] for item in before),
            f"dismisses {before[0]['title']}",
            tuple(item["title"] for item in self.page(customer)),
        )

    def _now(self) -> str:
        """The server's own time: a simulated world's clock does not stand at today."""
        return str(self._get("/demo/customers", limit=1)["now"])

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return _checked(self._client.get(self._base + path, params=query))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _checked(self._client.post(self._base + path, json=body))


def _checked(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise TrainingError(f"the demo's server answered {response.status_code}: {response.text[:200]}")
    content: dict[str, Any] = response.json()
    return content
