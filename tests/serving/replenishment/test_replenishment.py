"""What is due for one customer, when, and who may be told."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.replenishment.service import moment as cut_moment
from serving.settings import Settings
from tests.serving.builder import NEW, NOTHING, TASTE, TRAINING_ONLY, event, item, make_silo
from tests.serving.replenishment.needs import DAY, bought, due, moment, rewrite


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


def test_by_chance_instead_of_the_date(client: TestClient) -> None:
    everything = due(client, horizon_days=1, least=0)
    assert len(everything) == 3
    for one in due(client, horizon_days=5, least=0.3):
        assert one["p_within_7"] >= 0.3
    assert client.get(f"/v1/customers/{TASTE}/replenishment?least=1.5").status_code == 422


def test_buying_puts_the_next_need_off(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    client = serve(settings, silo=make_silo(tmp_path / "overdue", ends_days_ago=6), demo=False)
    before = {one["item_id"]: one["expected_at"] for one in due(client)}
    assert client.post("/v1/events", json=event("e-1", number=10)).status_code == 202
    after = {one["item_id"]: one["expected_at"] for one in due(client)}
    assert after[item(10)] > before[item(10)]
    assert after[item(0)] == before[item(0)]


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
    assert cut_moment(10**18).year == 2100


def test_an_answer_names_the_day_to_remind_on(client: TestClient) -> None:
    for lead in (0, 2, 30):
        for one in due(client, lead_days=lead):
            planned = moment(one["expected_at"]).date() - timedelta(days=lead)
            assert date.fromisoformat(one["remind_on"]) == max(planned, datetime.now(UTC).date())


def test_pages(client: TestClient) -> None:
    path = f"/v1/customers/{TASTE}/replenishment?horizon_days=365"
    whole = client.get(path).json()
    assert (whole["total"], whole["next_offset"]) == (3, None)
    found, offset = [], 0
    while offset is not None:
        page = client.get(f"{path}&limit=2&offset={offset}").json()
        found += [one["item_id"] for one in page["due"]]
        offset = page["next_offset"]
    assert found == [one["item_id"] for one in whole["due"]]
    assert client.get(f"{path}&offset=3").json()["due"] == []
    for wrong in ("limit=0", "limit=1001", "offset=-1", "offset=x"):
        assert client.get(f"{path}&{wrong}").status_code == 422


def test_long_gaps_and_repeated_rows_are_answered(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    newest = datetime.now(UTC) - DAY
    bought(settings.silo, (0, newest - 2_000 * DAY), (0, newest - 900 * DAY))
    for one in due(serve(settings), horizon_days=365):
        assert moment(one["low"]) <= moment(one["expected_at"]) <= moment(one["high"])
    twice = [(0, newest - 7 * number * DAY) for number in range(4) for _ in range(2)]
    bought(settings.silo, *twice)
    assert due(serve(settings))[0]["basis"] == "your own 4 purchases"
    bought(settings.silo, (0, newest))
    assert {one["basis"] for one in due(serve(settings), horizon_days=365)} <= {"typical for category-0"}


def test_moments_before_all_calendars_and_absurd_units_are_answered(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    early = datetime(1900, 1, 1, tzinfo=UTC)  # the first time of the contract

    def change(columns: dict[str, list[Any]]) -> None:
        columns["timestamp"][0], columns["quantity"][1:] = early, [1e6] * (len(columns["quantity"]) - 1)

    rewrite(settings.silo, "interactions", change)
    client = serve(settings, demo=False)
    assert due(client, horizon_days=365)
    assert cut_moment(-(10**15)).year == 1840
