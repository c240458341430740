"""Whatever a client sends, the answer is one JSON error that says what is wrong, and never a stack trace."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.builder import event, item

RECOMMEND, EVENTS = "/v1/recommendations", "/v1/events"

BODIES: list[tuple[str, Any, str | None]] = [
    (RECOMMEND, {"k": 0}, "k"),
    (RECOMMEND, {"k": 101}, "k"),
    (RECOMMEND, {"k": "many"}, "k"),
    (RECOMMEND, {"k": None}, "k"),
    (RECOMMEND, {"scene": "moon"}, "scene"),
    (RECOMMEND, {"customer_id": ""}, "customer_id"),
    (RECOMMEND, {"customer_id": 7}, "customer_id"),
    (RECOMMEND, {"customer_id": "x" * 201}, "customer_id"),
    (RECOMMEND, {"customer_id": "a\nb"}, "customer_id"),
    (RECOMMEND, {"customer_id": "a", "history": []}, None),
    (RECOMMEND, {"customer": "a"}, "customer"),
    (RECOMMEND, {"exclude": "item-001"}, "exclude"),
    (RECOMMEND, {"exclude": [item(1)] * 1001}, "exclude"),
    (RECOMMEND, {"context_items": [item(1)] * 101}, "context_items"),
    (RECOMMEND, {"history": [{"item_id": item(1)}] * 1001}, "history"),
    (RECOMMEND, {"history": [{}]}, "history.0.item_id"),
    (RECOMMEND, {"history": [{"item_id": item(1), "order_no": -1}]}, "history.0.order_no"),
    (RECOMMEND, {"history": [{"item_id": item(1), "order_no": 2**60}]}, "history.0.order_no"),
    (RECOMMEND, {"history": [{"item_id": item(1), "quantity": -1}]}, "history.0.quantity"),
    (RECOMMEND, {"history": [{"item_id": item(1), "timestamp": "2026-01-01"}]}, "history.0.timestamp"),
    (RECOMMEND, {"history": [{"item_id": item(1), "order_no": 1}, {"item_id": item(1)}]}, None),
    (RECOMMEND, {"personalized": "perhaps"}, "personalized"),
    (RECOMMEND, [], None),
    (RECOMMEND, None, None),
    (EVENTS, {}, "events"),
    (EVENTS, [], None),
    (EVENTS, {"events": []}, "events"),
    (EVENTS, {"events": [event("e")] * 501}, "events"),
    (EVENTS, {"events": "all"}, "events"),
    (EVENTS, event(""), "events.0.event_id"),
    (EVENTS, event(" e"), "events.0.event_id"),
    (EVENTS, event("e", event="teleport"), "events.0.event"),
    (EVENTS, event("e", quantity=-1), "events.0.quantity"),
    (EVENTS, event("e", quantity=1e12), "events.0.quantity"),
    (EVENTS, event("e", price=-0.01), "events.0.price"),
    (EVENTS, event("e", timestamp="2026-01-01T10:00:00"), "events.0.timestamp"),
    (EVENTS, event("e", timestamp=1767225600), "events.0.timestamp"),
    (EVENTS, event("e", timestamp="soon"), "events.0.timestamp"),
    (EVENTS, event("e", timestamp="0001-01-01T00:00:00+14:00"), "events.0.timestamp"),
    (EVENTS, event("e", timestamp="9999-12-31T23:59:59-14:00"), "events.0.timestamp"),
    (EVENTS, event("e", colour="red"), "events.0.colour"),
    (EVENTS, {"events": [event("a"), event("b", quantity="x")]}, "events.1.quantity"),
]


JSON = {"content-type": "application/json"}
WORDS: list[tuple[str, Any, str]] = [
    (
        EVENTS,
        event("e", quantity=-1),
        "events.0.quantity: Input should be greater than or equal to 0, got '-1'",
    ),
    (EVENTS, {"events": [event("a", quantity=-1, colour="red")]}, "(and 1 more problem)"),
    (EVENTS, {"events": []}, "List should have at least 1 item after validation"),
    (RECOMMEND, {"k": None}, "k: Input should be a valid integer, got null"),
    (RECOMMEND, {"customer_id": "a\nb"}, "customer_id: has characters that no id has"),
    (RECOMMEND, {"customer_id": "a", "history": []}, "body: send either 'customer_id' or 'history'"),
    (RECOMMEND, {"history": [{"item_id": item(1)}] * 1001}, "List should have at most 1000 items"),
]


@pytest.mark.parametrize(("path", "body", "words"), WORDS)
def test_messages_are_for_people(client: TestClient, path: str, body: Any, words: str) -> None:
    message = client.post(path, json=body).json()["error"]["message"]
    assert words in message
    assert words.endswith(")") or "more problem" not in message


def test_what_is_no_json_is_said_to_be_none(client: TestClient) -> None:
    error = client.post(RECOMMEND, content=b'{"k": 5,}', headers=JSON).json()["error"]
    assert error["message"].startswith("body: not JSON at character 8: ")
    assert error["field"] == "body"
    sent = client.post(RECOMMEND, content=b'{"k": 5}', headers={"content-type": "text/plain"})
    assert sent.status_code == 422
    assert "content-type: application/json" in sent.json()["error"]["what_to_do"]


@pytest.mark.parametrize(("path", "body", "field"), BODIES)
def test_a_body_that_breaks_the_contract(client: TestClient, path: str, body: Any, field: str | None) -> None:
    response = client.post(path, json=body)
    assert response.status_code == 422, response.text
    error = response.json()["error"]
    assert error["code"] == "invalid_request"
    assert error["what_to_do"]
    if field is not None:
        assert error["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"k": NaN}',
        b'{"k": 1e999}',
        b'{"k": ' + b"9" * 5000 + b"}",
        b'{"customer_id": "\\ud800"}',
        b'{"exclude": ["\\ud800"]}',
        b'{"\\ud800": 1}',
        b"[" * 100_000,
        b'"text"',
    ],
)
def test_a_body_that_is_hardly_json(client: TestClient, body: bytes) -> None:
    response = client.post(RECOMMEND, content=body, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}
    assert set(response.json()["error"]) >= {"code", "message", "what_to_do"}


def test_the_value_that_is_wrong_is_named_and_cut(client: TestClient) -> None:
    message = client.post(RECOMMEND, json={"customer_id": "x" * 10_000}).json()["error"]["message"]
    assert "'xxxx" in message
    assert len(message) < 400


def test_several_problems_are_counted(client: TestClient) -> None:
    message = client.post(RECOMMEND, json={"k": 0, "scene": "moon"}).json()["error"]["message"]
    assert "1 more" in message


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", RECOMMEND, 405, "method_not_allowed"),
        ("DELETE", EVENTS, 405, "method_not_allowed"),
        ("PURGE", EVENTS, 405, "method_not_allowed"),
        ("GET", "/v1/items/none/similar", 404, "unknown_item"),
        ("GET", "/v1/items/item-001/similar?k=0", 422, "invalid_request"),
        ("GET", "/v1/items/item-001/similar?k=x", 422, "invalid_request"),
        ("GET", "/v1/customers/nobody/replenishment", 404, "unknown_customer"),
        ("GET", "/v1/customers/c-taste/replenishment?lead_days=-1", 422, "invalid_request"),
        ("GET", "/v1/customers/c-taste/replenishment?horizon_days=nan", 422, "invalid_request"),
        ("GET", "/v1/demo/customers?limit=0", 422, "invalid_request"),
        ("GET", "/v1/demo/customers/nobody/events", 404, "unknown_customer"),
        ("GET", "/static/../settings.py", 404, "not_found"),
    ],
)
def test_a_path_or_parameter_that_is_wrong(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "message", "takes"),
    [
        (
            "/v1/customers/c-taste/replenishment?lead_day=3",
            "'lead_day' is no query parameter of this path; did you mean 'lead_days'?",
            "one of horizon_days, lead_days, least, limit, offset",
        ),
        (
            "/v1/items/item-001/similar?K=5&n=3&k=2",
            "'K' is no query parameter of this path; did you mean 'k'? (and 1 more problem)",
            "one of k",
        ),
        ("/v1/model?verbose=1", "'verbose' is no query parameter of this path", "no query parameters"),
        (
            "/v1/demand?areas=north",
            "'areas' is no query parameter of this path; did you mean 'area'?",
            "one of area, days, item, limit, offset",
        ),
    ],
)
def test_a_query_parameter_that_is_none_is_named_with_the_nearest(
    client: TestClient, path: str, message: str, takes: str
) -> None:
    response = client.get(path)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["message"]) == (422, "invalid_request", message)
    assert error["what_to_do"] == f"correct the name or leave it out; this path takes {takes}"
    assert path.split("?")[1].startswith(error["field"])


def test_no_path_of_the_api_lets_an_unknown_parameter_pass(client: TestClient) -> None:
    ids = {"item_id": "item-001", "customer_id": "c-taste"}
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            answer = client.request(method, path.format(**ids), params={"zz": 1})
            if path.startswith("/v1/"):
                assert (answer.status_code, answer.json()["error"]["field"]) == (422, "zz"), path
            else:
                assert answer.status_code == 200, path


def test_a_long_name_of_a_parameter_is_cut(client: TestClient) -> None:
    error = client.get("/v1/model", params={"x" * 10_000: 1}).json()["error"]
    assert len(error["message"]) < 400
    assert len(error["field"]) <= 80


@pytest.mark.parametrize("name", ["a\r\nINFO all is well", "\x00", "\x1b[2J", "\u2028"])
def test_no_name_or_value_of_a_client_breaks_a_line(client: TestClient, name: str) -> None:
    answers = [
        client.get("/v1/model", params={name: 1}),
        client.post(RECOMMEND, json={name: 1}),
        client.post(RECOMMEND, json={"scene": name}),
        client.post(RECOMMEND, json={"customer_id": name}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert all(text.isprintable() for text in answer.json()["error"].values())


def test_a_long_name_of_a_field_is_cut(client: TestClient) -> None:
    error = client.post(RECOMMEND, json={"x" * 100_000: 1}).json()["error"]
    assert len(error["message"]) < 400
    assert len(error["field"]) <= 80


def test_text_that_is_not_declared_as_json_is_refused(client: TestClient) -> None:
    response = client.post(EVENTS, content=b"{}", headers={"content-type": "text/plain"})
    assert response.status_code == 422


def test_a_strange_request_id_is_replaced(client: TestClient) -> None:
    assert client.get("/health/live", headers={"x-request-id": "a b<c>"}).headers["x-request-id"] != "a b<c>"
