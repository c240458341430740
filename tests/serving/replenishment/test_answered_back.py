"""What devices report and customers answer moves what is due for them, and no recommendation."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from serving.settings import Settings
from tests.serving.builder import TASTE, TRAINING_ONLY, event, item
from tests.serving.replenishment.needs import due, moment


@pytest.mark.parametrize("kind", ["return", "dismiss", "decline"])
def test_turned_down_is_not_due_until_bought_again(
    settings: Settings, serve: Callable[..., TestClient], kind: str
) -> None:
    client = serve(settings, demo=False)
    client.post("/v1/events", json=event("e-1", number=0, event=kind))
    assert {one["item_id"] for one in due(client)} == {item(10), item(20)}
    later = datetime.now(UTC).isoformat()
    client.post("/v1/events", json=event("e-2", number=0, timestamp=later))
    assert {one["item_id"] for one in due(client, horizon_days=365)} == {item(0), item(10), item(20)}


@pytest.mark.parametrize(("signal", "number"), [("empty", 0), ("expired", 33)])
def test_a_device_asks_and_takes_yes_or_no(
    settings: Settings, serve: Callable[..., TestClient], signal: str, number: int
) -> None:
    client = serve(settings, demo=False)

    def told() -> dict[str, Any] | None:
        return next((one for one in due(client) if one["item_id"] == item(number)), None)

    def send(name: str, kind: str) -> None:
        now = datetime.now(UTC).isoformat()
        sent = event(name, number=number, event=kind, timestamp=now)
        assert client.post("/v1/events", json=sent).status_code == 202

    send("e-1", signal)
    one = told()
    assert one is not None
    assert (one["device"]["signal"], one["device"]["question"]) == (signal, "Order again?")
    assert moment(one["expected_at"]) <= datetime.now(UTC)
    assert one["p_within_3"] == 1.0
    assert one["remind_on"] == datetime.now(UTC).date().isoformat()
    send("e-2", "cart")
    one = told()
    assert one is not None
    assert one["device"]["question"] is None
    send("e-3", "decline")
    assert told() is None
    send("e-4", signal)
    assert told() is not None
    send("e-5", "purchase")
    assert all(other["device"] is None for other in due(client, horizon_days=365))


def test_signals_move_no_recommendation(settings: Settings, serve: Callable[..., TestClient]) -> None:
    client = serve(settings, demo=False)

    def page() -> Any:
        answer = client.post("/v1/recommendations", json={"customer_id": TASTE, "k": 20}).json()
        return [(one["item_id"], one["score"]) for one in answer["items"]]

    client.post("/v1/events", json=event("e-0", number=20, event="dismiss"))
    before = page()
    for number, kind in enumerate(("empty", "expired", "decline")):
        now = datetime.now(UTC).isoformat()
        sent = [event(f"e-{number}-{one}", number=one, event=kind, timestamp=now) for one in (7, 10, 20)]
        assert client.post("/v1/events", json={"events": sent}).status_code == 202
    assert page() == before


def test_signals_are_taken_from_whom_they_may_serve(client: TestClient) -> None:
    answer = client.post("/v1/events", json=event("e-1", TRAINING_ONLY, event="empty"))
    assert answer.status_code == 403
    assert "personalisation" in answer.json()["error"]["message"]


def test_what_was_declined_is_no_substitute(settings: Settings, serve: Callable[..., TestClient]) -> None:
    client = serve(settings, demo=False)

    def instead() -> str:
        client.post("/v1/events", json=event(f"e-{uuid4().hex}", number=5, event="empty"))
        (one,) = (one for one in due(client) if one["item_id"] == item(5))
        assert one["out_of_stock"]
        return str(one["substitute"]["item_id"])

    first = instead()
    sent = event("e-no", event="decline") | {"item_id": first}
    assert client.post("/v1/events", json=sent).status_code == 202
    assert instead() != first
