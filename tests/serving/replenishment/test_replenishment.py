from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from recsys.models.replenishment import IntervalModel
from recsys.models.rhythm_start import START
from serving.replenishment.service import moment as cut_moment
from serving.settings import Settings
from tests.serving.builder import NEW, NOTHING, TASTE, TRAINING_ONLY, event, item, make_silo

DAY = timedelta(days=1)


def rewrite(silo: Path, table: str, change: Callable[[dict[str, list[Any]]], object]) -> None:
    """Change a silo's table on disk."""
    path = silo.parent / f"{table}.parquet"
    old = pq.read_table(path)
    columns = old.to_pydict()
    change(columns)
    pq.write_table(pa.table(columns, schema=old.schema), path)


def bought(silo: Path, *rows: tuple[int, datetime]) -> None:
    """Nothing but these purchases of items."""
    columns = {
        "event_id": [f"b-{number}" for number in range(len(rows))],
        "customer_id": [TASTE] * len(rows),
        "item_id": [item(number) for number, _ in rows],
        "quantity": [1.0] * len(rows),
        "timestamp": [when for _, when in rows],
    }
    rewrite(silo, "interactions", lambda old: old.update(columns))


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


def test_what_is_sold_out_is_a_warning_with_the_nearest_of_its_kind(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    silo = make_silo(tmp_path / "empty-shelf")
    stock = {"store_id": ["s-1"], "item_id": [item(10)], "quantity": [0.0]}
    pq.write_table(pa.table(stock), silo.parent / "stock.parquet")
    client = serve(settings, silo=silo, demo=False)
    found = {one["item_id"]: one for one in due(client)}
    assert [one for one in found if found[one]["out_of_stock"]] == [item(10)]
    assert found[item(0)]["substitute"] is None
    first = found[item(10)]["substitute"]
    assert first["category"] == found[item(10)]["category"]
    client.post("/v1/events", json=event("e-1", number=int(first["item_id"][-3:]), event="dismiss"))
    second = next(one["substitute"] for one in due(client) if one["item_id"] == item(10))
    assert second["item_id"] != first["item_id"]
    assert second["similarity"] <= first["similarity"]


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


def test_a_weekly_habit_is_told(settings: Settings, serve: Callable[..., TestClient]) -> None:
    usual = due(serve(settings))[0]["weekly_habit"]
    weekday = (datetime.now(UTC) - DAY).strftime("%A")
    assert usual == {"weekday": weekday, "share": 1.0, "days": 6, "text": f"most {weekday}s"}
    newest = datetime.now(UTC) - DAY
    bought(settings.silo, *((0, newest - 9 * number * DAY) for number in range(6)))
    assert due(serve(settings))[0]["weekly_habit"] is None
    bought(settings.silo, *((0, newest - 7 * number * DAY) for number in range(3)))
    assert due(serve(settings))[0]["weekly_habit"] is None


def test_a_season_is_told_in_its_months_and_moves_chances(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    newest = datetime.now(UTC) - 5 * DAY
    bought(settings.silo, *((0, newest - 25 * number * DAY) for number in range(16)))
    plain, seasonal = serve(settings), serve(settings)
    state = seasonal.app.state.serving  # type: ignore[attr-defined]
    learned = {"hazard": START, "appeals": np.zeros(len(state.catalogue))}
    month = (datetime.now(UTC) + 15 * DAY).month - 1
    factors = np.exp(np.cos(2.0 * np.pi * (np.arange(12) - month) / 12))
    every = np.tile(factors / factors.mean(), (len(state.catalogue.category_codes[1]), 1))
    for client, more in ((plain, {}), (seasonal, {"season": every})):
        model = IntervalModel.from_arrays(learned | more, state.catalogue)
        client.app.state.serving = replace(state, intervals=model)  # type: ignore[attr-defined]
    (before,), (after,) = (due(client, horizon_days=365) for client in (plain, seasonal))
    assert before["season"] is None
    assert after["season"].startswith("usually bought more in ")
    assert after["p_within_30"] > before["p_within_30"] + 0.02


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


def test_an_offer_is_told_to_whom_two_would_last(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    def cheap(columns: dict[str, list[Any]]) -> None:
        columns["price"][10] = 5.5  # its public list price is 11
        columns["price"][20] = None

    rewrite(settings.silo, "items", cheap)
    found = {one["item_id"]: one for one in due(serve(settings))}
    advice = found[item(10)]["stock_up"]
    assert (advice["buy"], advice["price"], advice["list_price"]) == (2, 5.5, 11.0)
    until = date.fromisoformat(advice["lasts_until"])
    assert timedelta(days=17) < until - datetime.now(UTC).date() < timedelta(days=25)
    assert advice["text"].startswith("5.50 instead of 11.00: 2 would last you until about ")
    assert found[item(0)]["stock_up"] is None
    assert found[item(20)]["stock_up"] is None


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


def test_a_category_is_due_where_items_change(settings: Settings, serve: Callable[..., TestClient]) -> None:
    newest = datetime.now(UTC) - DAY
    changing = [(5 * number, newest - 7 * number * DAY) for number in range(6)]

    def told() -> dict[str, Any]:
        client = serve(settings)
        state = client.app.state.serving  # type: ignore[attr-defined]
        own_alone = IntervalModel(None, state.catalogue)  # items bought once are not due by themselves
        client.app.state.serving = replace(state, intervals=own_alone)  # type: ignore[attr-defined]
        answer: dict[str, Any] = client.get(f"/v1/customers/{TASTE}/replenishment").json()
        return answer

    bought(settings.silo, *changing)
    answer = told()
    assert answer["due"] == []
    (one,) = answer["categories"]
    assert (one["category"], one["basis"]) == ("category-0", "your own 6 purchases of category-0")
    assert 2 < (moment(one["expected_at"]) - datetime.now(UTC)) / DAY < 10
    assert len(one["items"]) == 3
    assert item(5) not in {own["item_id"] for own in one["items"]}  # sold out
    bought(settings.silo, *changing, *((0, newest - 7 * number * DAY) for number in range(1, 6)))
    answer = told()
    assert [one["item_id"] for one in answer["due"]] == [item(0)]
    assert answer["categories"] == []


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


def test_moments_before_all_calendars_and_absurd_units_are_answered(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    early = datetime(1, 1, 1, tzinfo=UTC)

    def change(columns: dict[str, list[Any]]) -> None:
        columns["timestamp"][0], columns["quantity"][1:] = early, [1e6] * (len(columns["quantity"]) - 1)

    rewrite(settings.silo, "interactions", change)
    client = serve(settings, demo=False)
    assert due(client, horizon_days=365)
    assert cut_moment(-(10**15)).year == 1840
