"""What every other customer asks, and what of each answer must be the same in both silos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from serving.audit.asgi import Answer, Call

Seen = Callable[[Answer], object]
NOBODY = "nobody-of-that-name"
TIMED = ("_seconds", "_created")  # of metrics: how long something took, and when it was first counted


def whole(answer: Answer) -> object:
    """Status, headers and body, byte for byte."""
    return answer


def untimed(answer: Answer) -> tuple[int, list[str]]:
    """Metrics but for times."""
    lines = answer.body.decode().splitlines()
    return answer.status, [line for line in lines if not any(word in line for word in TIMED)]


def rows_of(customer_id: str) -> Seen:
    """Of a page of due lists, the customer's own rows: the page names others too, inside the silo."""

    def seen(answer: Answer) -> object:
        body = answer.json()
        if answer.status != 200:
            return answer
        return body["as_of"], [row for row in body["due"] if row["customer_id"] == customer_id]

    return seen


def entry_of(customer_id: str) -> Seen:
    """Of a demo's list of customers, the customer's own entry: at most one."""

    def seen(answer: Answer) -> object:
        return [one for one in answer.json()["customers"] if one["customer_id"] == customer_id]

    return seen


@dataclass(frozen=True)
class Question:
    """A call, of a kind, and what of its answer is compared."""

    kind: str
    call: Call
    seen: Seen = whole


def of_customer(customer_id: str, before: str | None, items: Sequence[str]) -> Iterator[Question]:
    """What one customer asks. before: the one before by id among the others; items: of the catalogue."""
    path, after = f"/v1/customers/{customer_id}", "" if before is None else f"&after={quote(before, safe='')}"
    asked = {"customer_id": customer_id, "k": 5}
    more = {"scene": "product", "context_items": list(items[:1]), "exclude": list(items[1:2])}
    for extra in ({}, more):
        yield Question("recommendations", Call("POST", "/v1/recommendations", body=asked | extra))
    for query in ("horizon_days=365", "least=0.01&horizon_days=30"):
        yield Question("replenishment", Call("GET", f"{path}/replenishment", query))
    due = Call("GET", "/v1/replenishment/due", f"customers=3&within=365&least=0{after}")
    yield Question("due list", due, rows_of(customer_id))
    yield Question("next needs", Call("GET", f"{path}/next-needs", "horizon_days=730&k=2"))
    yield Question("history", Call("GET", f"/v1/demo/customers/{customer_id}/events", "limit=100"))
    yield Question("demo list", Call("GET", "/v1/demo/customers", "limit=500"), entry_of(customer_id))


def of_anybody(items: Sequence[str]) -> Iterator[Question]:
    """What is the same for everybody: items, forecasts, the model, health and errors."""
    for item in items:
        yield Question("items", Call("GET", f"/v1/items/{item}/similar", "k=5"))
    for path in ("/v1/demand", "/v1/model", "/health/live", "/health/ready", "/"):
        yield Question("about the server", Call("GET", path))
    history = [{"item_id": item, "timestamp": "2024-05-01T10:00:00Z"} for item in items]
    for body in ({"k": 5}, {"history": history, "k": 5}, {"customer_id": NOBODY}):
        yield Question("recommendations", Call("POST", "/v1/recommendations", body=body))
    for wrong in (
        Call("GET", f"/v1/customers/{NOBODY}/replenishment"),
        Call("GET", f"/v1/customers/{NOBODY}/next-needs"),
        Call("GET", "/v1/replenishment/due", "customers=0"),
        Call("GET", "/v1/items/none/similar"),
        Call("POST", "/v1/recommendations", body=b"{"),
        Call("POST", "/v1/events", body={"events": []}),
        Call("PUT", "/v1/events"),
        Call("GET", "/v1/nothing"),
    ):
        yield Question("errors", wrong)


METRICS = Call("GET", "/metrics")


def counted(answer: Answer) -> dict[str, float]:
    """Metrics by name and labels, but for times."""
    _, lines = untimed(answer)
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def grown(before: Answer, after: Answer) -> object:
    """By how much which metrics have changed."""
    start = counted(before)
    changes = {name: value - start.get(name, 0.0) for name, value in counted(after).items()}
    return {name: change for name, change in changes.items() if change}
