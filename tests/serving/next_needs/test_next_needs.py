from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recsys.errors import ConfigError
from serving.settings import Settings
from tests.serving.builder import NEW, NOTHING, TASTE, TRAINING_ONLY, event, make_silo

PLAN = """
[[need]]
date = "birth"
category = "category-3"
after_days = 150
until_days = 210
note = "Solid food starts at about five months"
[[need]]
date = "due_date"
category = "category-4"
after_days = -60
until_days = 0
[[need]]
bought = "category-0"
category = "category-1"
after_days = 10
until_days = 40
"""
TODAY = datetime.now(UTC).date()
EXTRA = 'online = "online.sqlite"\nlife_events = "life_events.csv"\nlife_plan = "life.toml"'


def days(number: int) -> date:
    return TODAY + timedelta(days=number)


@pytest.fixture
def start(settings: Settings, serve: Callable[..., TestClient], tmp_path: Path) -> Callable[..., TestClient]:
    def made(*rows: str, plan: str = PLAN, extra: str = EXTRA) -> TestClient:
        silo = make_silo(tmp_path / "life", extra=extra)
        (silo.parent / "life_events.csv").write_text(
            "customer_id,kind,day,consent\n" + "\n".join(rows) + "\n"
        )
        (silo.parent / "life.toml").write_text(plan)
        return serve(settings, silo=silo, demo=False)

    return made


def needs(client: TestClient, customer: str = NEW, **parameters: int) -> list[dict[str, Any]]:
    response = client.get(f"/v1/customers/{customer}/next-needs", params=parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["needs"]
    return found


def test_a_given_date_tells_what_comes_and_when(start: Callable[..., TestClient]) -> None:
    client = start(f"{NEW},birth,{days(-100)},true", f"{NEW},due_date,{days(80)},true")
    first, second = needs(client)
    assert (first["category"], second["category"]) == ("category-4", "category-3")
    assert (second["needed_from"], second["needed_until"]) == (days(50).isoformat(), days(110).isoformat())
    assert second["remind_on"] == days(20).isoformat()
    assert second["because"] == {
        "kind": "date",
        "name": "birth",
        "day": days(-100).isoformat(),
        "text": "Solid food starts at about five months",
    }
    assert first["because"]["text"] == "You told us a date: due_date"
    assert {one["category"] for one in second["items"]} == {"category-3"}
    assert len(second["items"]) == 5
    assert len(needs(client, k=1)[0]["items"]) == 1
    assert needs(client, horizon_days=10) == []
    assert needs(client, lead_days=60, horizon_days=60)[1]["remind_on"] == TODAY.isoformat()


def test_without_consent_to_the_date_it_is_not_used(start: Callable[..., TestClient]) -> None:
    assert needs(start(f"{NEW},birth,{days(-100)},false", f"{TASTE},birth,{days(-100)},true")) == []


def test_a_date_is_used_in_next_needs_alone(start: Callable[..., TestClient]) -> None:
    client = start(f"{NEW},birth,{days(-160)},true")
    assert [need["category"] for need in needs(client)] == ["category-3"]
    client.post("/v1/events", json=event("e-1", NEW, 1))
    shown = client.post("/v1/recommendations", json={"customer_id": NEW, "k": 40}).json()["items"]
    assert "next_need" not in {one["reason"]["kind"] for one in shown}


def test_what_is_over_or_was_bought_in_its_time_is_left_out(start: Callable[..., TestClient]) -> None:
    client = start(f"{NEW},birth,{days(-160)},true", f"{NEW},birth,{days(-211)},true")
    (one,) = needs(client)
    assert one["because"]["day"] == days(-160).isoformat()
    client.post("/v1/events", json=event("e-1", NEW, 3, event="view"))
    assert len(needs(client)) == 1
    client.post("/v1/events", json=event("e-2", NEW, 3))
    assert needs(client) == []


def test_a_purchase_leads_to_another_need(start: Callable[..., TestClient]) -> None:
    client = start("x,birth,2020-01-01,true")
    (one,) = needs(client, TASTE)
    assert (one["category"], one["because"]["kind"], one["because"]["name"]) == (
        "category-1",
        "bought",
        "category-0",
    )
    bought = date.fromisoformat(one["because"]["day"])
    assert date.fromisoformat(one["needed_from"]) - bought == timedelta(days=10)
    client.post("/v1/events", json=event("e-1", TASTE, 1, timestamp=datetime.now(UTC).isoformat()))
    assert needs(client, TASTE) == []


def test_who_may_not_be_told(start: Callable[..., TestClient], client: TestClient) -> None:
    served = start(f"{TRAINING_ONLY},birth,{days(-100)},true")
    for customer, status, code in (
        ("c-999", 404, "unknown_customer"),
        (TRAINING_ONLY, 403, "no_consent"),
        (NOTHING, 403, "no_consent"),
    ):
        response = served.get(f"/v1/customers/{customer}/next-needs")
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    without = client.get(f"/v1/customers/{NEW}/next-needs")
    assert (without.status_code, without.json()["error"]["code"]) == (409, "no_life_plan")
    for wrong in ("k=0", "k=21", "lead_days=-1", "horizon_days=731", "horizon_days=soon"):
        assert served.get(f"/v1/customers/{NEW}/next-needs?{wrong}").status_code == 422


def test_the_answer_has_the_fields_of_its_schema(start: Callable[..., TestClient]) -> None:
    client = start(f"{NEW},birth,{days(-100)},true")
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = client.get(f"/v1/customers/{NEW}/next-needs").json()
    assert set(answer) == set(schemas["NextNeedsOut"]["properties"])
    assert set(answer["needs"][0]) == set(schemas["NextNeedOut"]["properties"])
    assert set(answer["needs"][0]["because"]) == set(schemas["BecauseOut"]["properties"])


def test_a_broken_plan_or_table_stops_the_server_by_name(
    start: Callable[..., TestClient], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="category 'category-9' is not in the bundle's catalogue"):
        start(plan=PLAN.replace("category-4", "category-9"))


def test_dates_without_a_plan_are_refused(start: Callable[..., TestClient]) -> None:
    with pytest.raises(ConfigError, match="no life_plan"):
        start(extra='life_events = "life_events.csv"')


def test_one_customers_broken_date_keeps_nobody_elses_from_being_used(
    start: Callable[..., TestClient],
) -> None:
    client = start(f"{NEW},birth,{days(-100)},true", f"{TASTE},birth,soon,true", f'{TASTE},"birth')
    assert needs(client)
    assert "date" not in {one["because"]["kind"] for one in needs(client, TASTE)}
