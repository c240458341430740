"""Follow-ups that silos learned together, told to the customers who have them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recsys.errors import ConfigError
from recsys.models.followup_rules import FollowUp
from serving.next_needs.learned import words
from serving.settings import Settings
from tests.recsys.bundle_builder import make_bundle
from tests.serving.builder import N_ITEMS, NEW, NOTHING, TASTE, event, make_silo

RULES = (
    FollowUp("category-1", "category-2", 14, 60, 0.30, 0.05),
    FollowUp("category-1", "category-3", 0, 30, 0.10, 0.02),
    FollowUp("category-4", "category-2", 60, 180, 0.05, 0.01),
)
NOW = datetime.now(UTC)
PLAN = """
[[need]]
bought = "category-1"
category = "category-2"
after_days = 20
until_days = 40
note = "By the silo's own plan"
"""


@pytest.fixture
def start(settings: Settings, serve: Callable[..., TestClient], tmp_path: Path) -> Callable[..., TestClient]:
    def made(
        *bought: tuple[int, int],
        rules: tuple[FollowUp, ...] | None = RULES,
        extra: str = "",
        plan: str = PLAN,
    ) -> TestClient:
        """bought: (days ago, item) of the new customer."""
        silo = make_silo(tmp_path / "learned", extra=f'online = "online.sqlite"\n{extra}')
        (silo.parent / "life.toml").write_text(plan)
        bundle = make_bundle(tmp_path / "learned" / "bundles", n_items=N_ITEMS, follow_ups=rules)
        client = serve(settings, silo=silo, bundle=bundle, demo=False)
        for number, (ago, item) in enumerate(bought):
            buy(client, f"b-{number}", ago, item)
        return client

    return made


def buy(client: TestClient, name: str, ago: int, item: int, **changes: Any) -> None:
    when = (NOW - timedelta(days=ago, minutes=1)).isoformat()
    answer = client.post("/v1/events", json=event(name, NEW, item, timestamp=when) | changes)
    assert answer.status_code == 202, answer.text


def needs(client: TestClient, customer: str = NEW, **parameters: int) -> list[dict[str, Any]]:
    response = client.get(f"/v1/customers/{customer}/next-needs", params=parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["needs"]
    return found


def day(ago: int) -> str:
    return (NOW - timedelta(days=ago)).date().isoformat()


def test_what_often_follows_a_first_purchase_is_told_with_its_window(
    start: Callable[..., TestClient],
) -> None:
    client = start((20, 1))
    first, second = needs(client)
    assert [first["category"], second["category"]] == ["category-3", "category-2"]
    assert (second["needed_from"], second["needed_until"]) == (day(6), day(-40))
    assert second["chance"] == pytest.approx(0.3)
    assert second["because"] == {
        "kind": "bought",
        "name": "category-1",
        "day": day(20),
        "text": "Customers who bought category-1 often need category-2 two weeks to two months later",
    }
    assert (
        first["because"]["text"] == "Customers who bought category-1 sometimes need category-3 within a month"
    )
    assert {one["category"] for one in second["items"]} == {"category-2"}
    shown = [one["item_id"] for need in (first, second) for one in need["items"]]
    assert len(shown) == len(set(shown)) == 10


def test_windows_that_are_over_or_far_are_not_told(start: Callable[..., TestClient]) -> None:
    client = start((65, 1))
    assert needs(client) == []
    buy(client, "later", 2, 4)
    assert needs(client, horizon_days=30) == []
    (far,) = needs(client, horizon_days=90)
    assert (far["category"], far["needed_from"]) == ("category-2", day(-58))


def test_it_is_the_first_purchase_that_counts(start: Callable[..., TestClient]) -> None:
    assert needs(start((200, 1), (20, 1), (5, 6))) == []


@pytest.mark.parametrize("ago", [5, 20, 60])
def test_what_was_bought_since_or_shortly_before_is_met(start: Callable[..., TestClient], ago: int) -> None:
    assert [need["category"] for need in needs(start((20, 1), (ago, 2)))] == ["category-3"]


def test_what_was_looked_at_or_bought_long_before_is_not(start: Callable[..., TestClient]) -> None:
    client = start((20, 1), (200, 2))
    buy(client, "view", 3, 7, event="view")
    assert [need["category"] for need in needs(client)] == ["category-3", "category-2"]


def test_the_silos_own_plan_goes_first_and_no_category_comes_twice(start: Callable[..., TestClient]) -> None:
    client = start((20, 1), extra='life_plan = "life.toml"')
    first, second = needs(client)
    assert (first["category"], second["category"]) == ("category-3", "category-2")
    assert (second["because"]["text"], second["chance"]) == ("By the silo's own plan", None)


def test_the_likeliest_of_several_reasons_is_told(start: Callable[..., TestClient]) -> None:
    client = start((70, 4), (20, 1))
    (found,) = [need for need in needs(client) if need["category"] == "category-2"]
    assert found["because"]["name"] == "category-1"


def test_without_rules_and_plan_there_is_nothing_to_ask(start: Callable[..., TestClient]) -> None:
    answer = start(rules=None).get(f"/v1/customers/{NEW}/next-needs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_life_plan")


def test_a_model_that_found_no_rules_has_no_needs(start: Callable[..., TestClient]) -> None:
    assert needs(start((20, 1), rules=())) == []


@pytest.mark.parametrize(
    ("excluded", "left"), [("category-1", []), ("category-2", ["category-3"]), ("category-3", ["category-2"])]
)
def test_a_silo_can_exclude_sensitive_categories(
    start: Callable[..., TestClient], excluded: str, left: list[str]
) -> None:
    client = start((20, 1), extra=f'followups_exclude = ["{excluded}"]')
    assert [need["category"] for need in needs(client)] == left
    assert excluded not in {one["reason"]["text"] for one in recommended(client).values()}


def test_an_exclusion_that_the_catalogue_lacks_stops_the_server_by_name(
    start: Callable[..., TestClient],
) -> None:
    with pytest.raises(ConfigError, match="followups_exclude names 'helth'"):
        start(extra='followups_exclude = ["helth"]')


def test_nobody_without_consent_is_told(start: Callable[..., TestClient]) -> None:
    assert start().get(f"/v1/customers/{NOTHING}/next-needs").status_code == 403


def recommended(client: TestClient, **asked: Any) -> dict[str, dict[str, Any]]:
    answer = client.post("/v1/recommendations", json={"customer_id": NEW, "k": 40} | asked).json()
    return {one["item_id"]: one for one in answer["items"]}


def test_it_is_a_reason_on_the_page_within_a_week(start: Callable[..., TestClient]) -> None:
    client = start((8, 1))
    shown = recommended(client)
    told = {one["category"]: one["reason"] for one in shown.values() if one["reason"]["kind"] == "next_need"}
    assert set(told) == {"category-2", "category-3"}
    assert told["category-2"]["text"].startswith("Customers who bought category-1 often need category-2")
    assert "next_need" not in {
        one["reason"]["kind"] for one in recommended(client, personalized=False).values()
    }
    early = recommended(client, customer_id=TASTE)
    assert "next_need" not in {one["reason"]["kind"] for one in early.values()}


def test_a_history_that_travels_along_has_needs_too(start: Callable[..., TestClient]) -> None:
    when = (NOW - timedelta(days=20)).isoformat()
    history = [{"item_id": "item-001", "timestamp": when}]
    client = start()
    shown = recommended(client, customer_id=None, history=history).values()
    assert "next_need" in {one["reason"]["kind"] for one in shown}
    bare = recommended(client, customer_id=None, history=[{"item_id": "item-001"}]).values()
    assert "next_need" not in {one["reason"]["kind"] for one in bare}


def test_the_page_has_a_part_for_it(start: Callable[..., TestClient]) -> None:
    page = start().get("/").text
    assert 'id="next-panel"' in page
    assert "Needed next" in page


def test_words_of_lags_that_have_no_name() -> None:
    odd = FollowUp("pans", "lids", 3, 12, 0.5, 0.1)
    assert words(odd) == "Customers who bought pans often need lids 3 days to 12 days later"
