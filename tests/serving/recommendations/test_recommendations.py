from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from recsys.recommend.encoder import EncoderError
from serving.settings import Settings
from tests.recsys.bundle_builder import group_of
from tests.serving.builder import NEW, NOTHING, SOLD, SOLD_OUT, TASTE, TRAINING_ONLY, item


def ask(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/recommendations", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["item_id"] for one in answer["items"]]


def codes(answer: dict[str, Any]) -> list[str]:
    return [one["code"] for one in answer["degraded"]]


def test_a_known_customer_gets_own_items_first_and_then_own_taste(client: TestClient) -> None:
    answer = ask(client, customer_id=TASTE, k=8)
    assert set(ids(answer)[:3]) == {item(0), item(10), item(20)}
    assert [one["kind"] for one in answer["items"][:3]] == ["repeat"] * 3
    assert answer["items"][0]["reason"]["kind"] == "due"
    taste = [one for one in answer["items"] if one["reason"]["kind"] in {"taste", "goes_with"}]
    assert taste
    assert all(one["reason"]["item_id"] in {item(0), item(10), item(20)} for one in taste)
    assert answer["degraded"] == []


def test_an_answer_names_its_model_statement_and_request(client: TestClient) -> None:
    response = client.post("/v1/recommendations", json={"k": 1}, headers={"x-request-id": "order-17"})
    answer = response.json()
    assert answer["model_version"] == client.get("/v1/model").json()["model_version"]
    assert answer["privacy_statement_id"] == "test"
    assert answer["request_id"] == response.headers["x-request-id"] == "order-17"


def test_items_carry_the_silos_own_words_and_prices(client: TestClient) -> None:
    shown = {one["item_id"]: one for one in ask(client, k=50)["items"]}
    assert (shown[item(0)]["title"], shown[item(0)]["price"]) == ("House brand", 0.99)
    assert (shown[item(1)]["title"], shown[item(1)]["brand"]) == ("Product 1", "brand-1")


def test_only_what_the_silo_sells_and_has_is_shown(client: TestClient) -> None:
    answer = ask(client, customer_id=TASTE, k=100)
    assert set(ids(answer)) == {item(number) for number in range(SOLD)} - {item(SOLD_OUT)}
    assert codes(answer) == ["few_candidates"]


def test_exclusions_hold_and_unknown_ones_are_ignored(client: TestClient) -> None:
    answer = ask(client, customer_id=TASTE, exclude=[item(0), "never-heard-of"])
    assert item(0) not in ids(answer)
    assert codes(answer) == []


@pytest.mark.parametrize(
    ("customer", "code"),
    [("c-999", "unknown_customer"), (TRAINING_ONLY, "no_personalisation_consent"), (NEW, "no_history")],
)
def test_whoever_cannot_have_a_personal_page_gets_what_is_popular(
    client: TestClient, customer: str, code: str
) -> None:
    answer = ask(client, customer_id=customer)
    assert codes(answer) == [code]
    assert answer["degraded"][0]["why"].endswith(".")
    assert ids(answer) == ids(ask(client))
    assert code not in client.get("/metrics").text, "what a customer lacks is counted for nobody"


def test_what_a_request_lacks_is_counted(client: TestClient) -> None:
    ask(client, customer_id=TASTE, context_items=["never-heard-of"])
    counted = 'thousandfaces_degraded_total{code="unknown_context_items"} 1.0'
    assert counted in client.get("/metrics").text


def test_not_personalised_uses_nothing_of_the_customer(client: TestClient) -> None:
    answer = ask(client, customer_id=TASTE, personalized=False)
    assert ids(answer) == ids(ask(client))
    assert {one["reason"]["kind"] for one in answer["items"]} == {"popular"}
    assert answer["degraded"] == []


def test_nothing_of_a_customer_without_consent_shows(client: TestClient) -> None:
    assert ask(client, customer_id=NOTHING)["items"] == ask(client)["items"]


def test_an_inline_history_counts_like_the_customers_own(client: TestClient) -> None:
    history = [{"item_id": item(number), "order_no": order} for order in range(3) for number in (2, 12)]
    answer = ask(client, history=history)
    assert set(ids(answer)[:2]) == {item(2), item(12)}
    fresh = [one for one in answer["items"] if one["reason"]["kind"] == "taste"]
    assert fresh
    assert {group_of(int(one["item_id"][-3:])) for one in fresh} == {2}


@pytest.mark.parametrize("when", [{}, {"order_no": 4}, {"timestamp": "2026-01-02T03:04:05+01:00"}])
def test_an_inline_history_may_be_timed_numbered_or_neither(client: TestClient, when: dict[str, Any]) -> None:
    answer = ask(client, history=[{"item_id": item(2), **when}], k=2)
    assert ids(answer)[0] == item(2)


def test_an_inline_history_is_sorted_by_time(client: TestClient) -> None:
    dismissed_later = [
        {"item_id": item(2), "event": "dismiss", "timestamp": "2026-03-02T00:00:00Z"},
        {"item_id": item(2), "timestamp": "2026-03-01T00:00:00Z"},
    ]
    assert item(2) not in ids(ask(client, history=dismissed_later, k=40))


def test_an_empty_history_is_somebody_new(client: TestClient) -> None:
    assert codes(ask(client, history=[])) == ["no_history"]


def test_context_items_change_the_order_and_are_not_shown_themselves(client: TestClient) -> None:
    answer = ask(client, scene="cart", context_items=[item(33), item(33)], k=5)
    assert item(33) not in ids(answer)
    assert answer["items"][0]["reason"] == {
        "kind": "goes_with",
        "text": "Often bought with Product 33",
        "item_id": item(33),
    }


def test_a_cart_with_unknown_items_still_gets_a_page(client: TestClient) -> None:
    answer = ask(client, scene="cart", context_items=[item(33), *(f"new-{n}" for n in range(7))])
    assert codes(answer) == ["unknown_context_items"]
    assert "new-0, new-1, new-2, new-3, new-4 and more" in answer["degraded"][0]["why"]


def test_an_unknown_item_in_the_history_is_named(client: TestClient) -> None:
    history = [{"item_id": item(1)}, {"item_id": "tea-42"}]
    response = client.post("/v1/recommendations", json={"history": history})
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error["field"]) == ("unknown_item", "history.1.item_id")
    assert "'tea-42'" in error["message"]


def test_a_broken_encoder_degrades_the_answer(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise EncoderError("no")

    monkeypatch.setattr("recsys.recommend.encoder.UserEncoder.encode", broken)
    answer = ask(client, customer_id=TASTE)
    assert codes(answer) == ["encoder_unavailable"]
    assert set(ids(answer)[:3]) == {item(0), item(10), item(20)}


def test_two_silos_keep_their_customers_apart(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    from tests.serving.builder import make_silo

    south = serve(settings, silo=make_silo(tmp_path / "south", "south"))
    north = serve(settings)
    sent = {"event_id": "e", "customer_id": NEW, "item_id": item(9), "timestamp": "2026-03-01T00:00:00Z"}
    assert north.post("/v1/events", json=sent).status_code == 202
    assert codes(ask(north, customer_id=NEW)) == []
    assert codes(ask(south, customer_id=NEW)) == ["no_history"]
