from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.customers.service import _moment
from serving.settings import Settings
from tests.serving.builder import NEW, NOTHING, TASTE, TRAINING_ONLY, event, item, make_silo


def due(client: TestClient, customer: str = TASTE, **parameters: float) -> list[dict[str, Any]]:
    response = client.get(f"/v1/customers/{customer}/replenishment", params=parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["due"]
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_weekly_habit_is_due_next_week(client: TestClient) -> None:
    found = due(client)
    assert {one["item_id"] for one in found} == {item(0), item(10), item(20)}
    one = found[0]
    days = (moment(one["expected_at"]) - datetime.now(UTC)) / timedelta(days=1)
    assert 2 < days < 10
    assert moment(one["low"]) < moment(one["expected_at"]) < moment(one["high"])
    assert 0 <= one["p_within_7"] <= one["p_within_30"] <= 1
    assert one["basis"] == "your own 6 purchases"
    assert (one["title"], one["price"]) == ("House brand", 0.99)


def test_the_reminder_comes_the_lead_time_before(client: TestClient) -> None:
    for lead in (0, 5):
        one = due(client, lead_days=lead)[0]
        assert moment(one["expected_at"]) - moment(one["remind_at"]) == timedelta(days=lead)


def test_the_horizon_bounds_what_is_told(client: TestClient) -> None:
    assert due(client, horizon_days=0.5) == []
    expected = [one["expected_at"] for one in due(client, horizon_days=365)]
    assert expected == sorted(expected)


def test_buying_puts_the_next_need_off(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    client = serve(settings, silo=make_silo(tmp_path / "overdue", ends_days_ago=6), demo=False)
    before = {one["item_id"]: one["expected_at"] for one in due(client)}
    assert client.post("/v1/events", json=event("e-1", number=10)).status_code == 202
    after = {one["item_id"]: one["expected_at"] for one in due(client)}
    assert after[item(10)] > before[item(10)]
    assert after[item(0)] == before[item(0)]


def test_what_is_sold_out_is_not_announced(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    silo = make_silo(tmp_path / "empty-shelf")
    stock = {"store_id": ["s-1"], "item_id": [item(10)], "quantity": [0.0]}
    pq.write_table(pa.table(stock), silo.parent / "stock.parquet")
    assert {one["item_id"] for one in due(serve(settings, silo=silo))} == {item(0), item(20)}


def test_somebody_without_purchases_needs_nothing_yet(client: TestClient) -> None:
    assert due(client, NEW) == []


@pytest.mark.parametrize(
    ("customer", "status", "code"),
    [("c-999", 404, "unknown_customer"), (TRAINING_ONLY, 403, "no_consent"), (NOTHING, 403, "no_consent")],
)
def test_who_may_not_be_told(client: TestClient, customer: str, status: int, code: str) -> None:
    response = client.get(f"/v1/customers/{customer}/replenishment")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["field"] == "customer_id"


def test_the_answer_has_the_fields_of_its_schema(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = client.get(f"/v1/customers/{TASTE}/replenishment").json()
    assert set(answer) == set(schemas["ReplenishmentOut"]["properties"])
    assert set(answer["due"][0]) == set(schemas["DueOut"]["properties"])


def test_a_moment_beyond_the_calendar_is_cut() -> None:
    assert _moment(10**18).year == 2100
