import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from serving.settings import Settings
from tests.serving.builder import (
    NEW,
    NOTHING,
    PERSONAL_ONLY,
    TASTE,
    TRAINING_ONLY,
    event,
    item,
    make_silo,
)


def send(client: TestClient, *events: dict[str, Any]) -> Any:
    return client.post("/v1/events", json={"events": list(events)})


def shown(client: TestClient, customer: str = TASTE, k: int = 10) -> list[str]:
    answer = client.post("/v1/recommendations", json={"customer_id": customer, "k": k}).json()
    return [one["item_id"] for one in answer["items"]]


def test_a_purchase_changes_the_very_next_answer(client: TestClient) -> None:
    before = shown(client, NEW)
    assert item(48) not in before
    response = client.post("/v1/events", json=event("e-1", NEW, 48))
    assert (response.status_code, response.json()) == (202, {"accepted": 1, "duplicates": 0})
    assert item(48) in shown(client, NEW)


def test_not_interested_takes_an_item_away_and_buying_brings_it_back(client: TestClient) -> None:
    send(client, event("e-1", number=0, event="dismiss"))
    assert item(0) not in shown(client, k=49)
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    send(client, event("e-2", number=0, timestamp=later))
    assert item(0) in shown(client)


def test_a_view_moves_the_taste(client: TestClient) -> None:
    send(client, *(event(f"e-{number}", NEW, number, event="view") for number in (3, 13, 23)))
    answer = client.post("/v1/recommendations", json={"customer_id": NEW}).json()
    assert "Matches your interest in Product" in str([one["reason"]["text"] for one in answer["items"]])


def test_an_older_event_takes_its_place_in_time(client: TestClient) -> None:
    past = (datetime.now(UTC) - timedelta(days=300)).isoformat()
    send(client, event("old-dismissal", number=10, event="dismiss", timestamp=past))
    assert item(10) in shown(client)


def test_sending_again_stores_once(client: TestClient) -> None:
    sent = [event("e-1", NEW), event("e-2", NEW, 8)]
    assert send(client, *sent).json() == {"accepted": 2, "duplicates": 0}
    assert send(client, *sent, event("e-3", NEW, 9)).json() == {"accepted": 1, "duplicates": 2}
    events = client.get(f"/v1/demo/customers/{NEW}/events").json()["events"]
    assert len(events) == 3


def test_the_same_event_twice_in_one_batch_counts_once(client: TestClient) -> None:
    one = event("e-1", NEW)
    assert send(client, one, one).json() == {"accepted": 1, "duplicates": 1}
    assert len(client.get(f"/v1/demo/customers/{NEW}/events").json()["events"]) == 1


def test_an_event_of_the_silos_own_tables_is_not_counted_twice(client: TestClient) -> None:
    send(client, event("base-0", TASTE, 0))
    events = client.get(f"/v1/demo/customers/{TASTE}/events?limit=100").json()["events"]
    assert [one["item_id"] for one in events].count(item(0)) == 6


def test_the_same_id_with_other_content_is_a_conflict(client: TestClient) -> None:
    one = event("e-1", NEW)
    send(client, one)
    response = send(client, event("e-0", NEW, 9), one | {"quantity": 5})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "event_conflict"
    assert "e-1" in response.json()["error"]["message"]
    assert item(9) not in shown(client, NEW)


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
FAULTS = [
    (event("b", number=999), 422, "unknown_item", "events.1.item_id"),
    (event("b", "c-999"), 404, "unknown_customer", "events.1.customer_id"),
    (event("b", NOTHING), 403, "no_consent", "events.1.customer_id"),
    (event("b", timestamp=TOMORROW), 422, "future_timestamp", "events.1.timestamp"),
]


@pytest.mark.parametrize(("bad", "status", "code", "field"), FAULTS)
def test_one_customers_events_are_all_or_nothing(
    client: TestClient, bad: dict[str, Any], status: int, code: str, field: str
) -> None:
    customer = bad["customer_id"]
    response = send(client, event("a", customer, 48), bad)
    at_fault = field if customer == TASTE else field.replace("events.1", "events.0")
    assert response.status_code == status
    assert (response.json()["error"]["code"], response.json()["error"]["field"]) == (code, at_fault)
    if customer == TASTE:
        assert send(client, event("a", TASTE, 48)).json() == {"accepted": 1, "duplicates": 0}


@pytest.mark.parametrize(("bad", "status", "code", "field"), FAULTS)
def test_one_customers_fault_keeps_no_others_events_out(
    client: TestClient, bad: dict[str, Any], status: int, code: str, field: str
) -> None:
    sound = event("a", NEW, 48)
    response = send(client, sound, bad, event("a", bad["customer_id"], 7))
    assert response.status_code == 202
    answer = response.json()
    assert (answer["accepted"], answer["duplicates"]) == (1, 0)
    (refused,) = answer["refused"]
    assert (refused["customer_id"], refused["index"]) == (bad["customer_id"], 1)
    assert (refused["code"], refused["field"]) == (code, field)
    assert refused["message"]
    assert refused["what_to_do"]
    assert item(48) in shown(client, NEW)
    assert send(client, sound).json() == {"accepted": 0, "duplicates": 1}


def test_the_first_fault_is_told_where_nothing_was_taken(client: TestClient) -> None:
    response = send(client, event("a", "c-999"), event("a", NOTHING))
    assert (response.status_code, response.json()["error"]["field"]) == (404, "events.0.customer_id")


def test_a_conflict_is_within_one_customer(client: TestClient) -> None:
    assert send(client, event("e-1", TASTE, 7)).json() == {"accepted": 1, "duplicates": 0}
    assert send(client, event("e-1", NEW, 48)).json() == {"accepted": 1, "duplicates": 0}
    assert item(48) in shown(client, NEW)
    answer = send(client, event("e-1", TASTE, 8), event("e-2", NEW, 47)).json()
    assert answer["accepted"] == 1
    assert [(one["customer_id"], one["index"], one["code"]) for one in answer["refused"]] == [
        (TASTE, 0, "event_conflict")
    ]
    assert NEW not in answer["refused"][0]["message"]


def test_an_id_of_another_customers_base_rows_drops_no_event(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    client = serve(settings)
    send(client, event("base-0", NEW, 48))
    assert item(48) in shown(client, NEW)
    assert item(48) in shown(serve(settings), NEW)


def test_consent_to_training_alone_stores_and_shows_nothing(client: TestClient, settings: Settings) -> None:
    before = shown(client, TRAINING_ONLY)
    assert send(client, event("e-1", TRAINING_ONLY, 48)).status_code == 202
    assert shown(client, TRAINING_ONLY) == before
    with sqlite3.connect(settings.silo.parent / "online.sqlite") as database:
        assert database.execute("select customer_id from events").fetchall() == [(TRAINING_ONLY,)]


def test_consent_to_personalisation_alone_is_enough(client: TestClient) -> None:
    assert send(client, event("e-1", PERSONAL_ONLY, 48)).status_code == 202
    assert item(48) in shown(client, PERSONAL_ONLY)


def test_events_outlive_a_restart(settings: Settings, serve: Callable[..., TestClient]) -> None:
    first = serve(settings)
    send(first, event("e-1", NEW, 48), event("e-2", TASTE, 0, event="dismiss"))
    answers = [shown(first, customer) for customer in (NEW, TASTE)]
    second = serve(settings)
    assert [shown(second, customer) for customer in (NEW, TASTE)] == answers
    assert send(second, event("e-3", NEW, 47)).json() == {"accepted": 1, "duplicates": 0}


def test_a_repeated_event_after_a_restart_is_not_merged_twice(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    one = event("e-1", NEW, 48)
    send(serve(settings), one)
    second = serve(settings)
    assert send(second, one).json() == {"accepted": 0, "duplicates": 1}
    assert len(second.get(f"/v1/demo/customers/{NEW}/events").json()["events"]) == 1


def test_a_store_that_cannot_write_is_told_and_changes_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("recsys.silos.event_store.OnlineEventStore.append", full)
    response = send(client, event("e-1", NEW, 48))
    assert response.status_code == 503
    assert "disk is full" in response.json()["error"]["message"]
    assert item(48) not in shown(client, NEW)


def test_a_silo_without_an_online_store_takes_no_events(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    client = serve(settings, silo=make_silo(tmp_path / "closed", extra=""))
    response = send(client, event("e-1"))
    assert (response.status_code, response.json()["error"]["code"]) == (409, "events_not_accepted")
    assert shown(client)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_past_the_bound_is_refused(
    settings: Settings, serve: Callable[..., TestClient], chunked: bool
) -> None:
    client = serve(settings, max_body_bytes=2_048)
    body = b'{"events": [' + b" " * 4_000 + b"]}"
    content: Any = iter([body[:2_000], body[2_000:]]) if chunked else body
    response = client.post("/v1/events", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"
    assert response.headers["x-request-id"]


def test_a_store_that_the_silo_does_not_list_is_refused(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    assert serve(settings).post("/v1/events", json=event("a", store_id="any")).status_code == 202
    pq.write_table(pa.table({"store_id": ["s-1", "s-2"]}), settings.silo.parent / "stores.parquet")
    client = serve(settings)
    error = client.post("/v1/events", json=event("b", store_id="closed")).json()["error"]
    assert (error["code"], error["field"]) == ("unknown_store", "events.0.store_id")
    assert "'closed' is not in this silo's stores table" in error["message"]
    assert client.post("/v1/events", json=event("b", store_id="s-1")).status_code == 202
