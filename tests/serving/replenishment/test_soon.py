from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.replenishment.soon import _when
from serving.settings import Settings
from tests.serving.builder import NOTHING, TASTE, event, item, make_silo


def reasons(client: TestClient, **asked: Any) -> dict[str, dict[str, Any]]:
    answer = client.post("/v1/recommendations", json={"customer_id": TASTE, "k": 40} | asked).json()
    return {one["item_id"]: one["reason"] for one in answer["items"]}


@pytest.mark.parametrize("ends_days_ago", [1.0, 4.0, 6.0, 9.0])
def test_an_item_due_soon_says_about_when(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any, ends_days_ago: float
) -> None:
    silo = make_silo(tmp_path / "other", ends_days_ago=ends_days_ago)
    client = serve(settings, silo=silo, demo=False)
    due = client.get(f"/v1/customers/{TASTE}/replenishment").json()["due"]
    told, today = reasons(client), datetime.now(UTC).date()
    for one in due:
        ahead = (datetime.fromisoformat(one["expected_at"]).date() - today).days
        reason = told[one["item_id"]]
        if ahead > 6:
            assert reason["kind"] == "bought_before"
            continue
        name = datetime.fromisoformat(one["expected_at"]).strftime("%A")
        assert reason == {
            "kind": "due",
            "text": f"Due again {_when(ahead, name)}",
            "item_id": one["item_id"],
        }


def test_words_of_when() -> None:
    assert [_when(days, "Friday") for days in (-3, 0, 1, 2, 6)] == [
        "now",
        "today",
        "tomorrow",
        "about Friday",
        "about Friday",
    ]


def test_a_device_is_a_reason_and_turning_down_takes_it_away(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    client = serve(settings, demo=False)
    client.post("/v1/events", json=event("e-1", number=0, event="empty"))
    assert reasons(client)[item(0)]["text"] == "Your device asks for it"
    now = datetime.now(UTC).isoformat()
    client.post("/v1/events", json=event("e-2", number=0, event="decline", timestamp=now))
    assert reasons(client)[item(0)]["kind"] == "bought_before"


def test_nothing_is_due_without_a_personal_history(client: TestClient) -> None:
    for asked in ({"personalized": False}, {"customer_id": NOTHING}, {"customer_id": None}):
        assert "due" not in {reason["kind"] for reason in reasons(client, **asked).values()}


def test_an_inline_history_with_times_is_due_too(client: TestClient) -> None:
    now = datetime.now(UTC)
    times = [(now - timedelta(days=7 * week + 5)).isoformat() for week in range(6)]
    history = [{"item_id": item(0), "timestamp": when} for when in times]
    told = reasons(client, customer_id=None, history=history)[item(0)]
    assert told["kind"] == "due"
    bare = [{"item_id": item(0)} for _ in times]
    assert reasons(client, customer_id=None, history=bare)[item(0)]["kind"] == "bought_before"
