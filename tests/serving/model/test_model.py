import logging

import pytest
from starlette.testclient import TestClient

from serving.model.statement import in_plain_words
from tests.serving.builder import NOTHING, TASTE, event


def test_the_model_is_shown_with_its_promise(client: TestClient) -> None:
    model = client.get("/v1/model").json()
    assert model["silo"] == "north"
    assert model["privacy_statement"]["epsilon"] == 4.0
    assert "98.2% sure" in model["in_plain_words"]


def test_health(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready").json()
    assert ready == {
        "status": "ready",
        "silo": "north",
        "model_version": client.get("/v1/model").json()["model_version"],
    }


def test_metrics_count_by_route_and_name_no_customer(client: TestClient) -> None:
    client.post("/v1/recommendations", json={"customer_id": TASTE})
    client.get(f"/v1/customers/{NOTHING}/replenishment")
    client.get("/no/such/path")
    text = client.get("/metrics").text
    assert 'requests_total{method="POST",route="/v1/recommendations",status="200"} 1.0' in text
    assert 'route="/v1/customers/{customer_id}/replenishment",status="403"' in text
    assert 'route="unmatched",status="404"' in text
    assert "thousandfaces_request_seconds_bucket" in text
    assert 'thousandfaces_model_info{model_version="' in text
    assert TASTE not in text
    assert NOTHING not in text
    assert "no/such" not in text


def test_an_internal_error_tells_the_client_nothing_and_the_log_no_customer(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("recsys.recommend.pipeline.Recommender.recommend", broken)
    with caplog.at_level(logging.INFO):
        response = client.post("/v1/recommendations", json={"customer_id": TASTE})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in caplog.text
    assert TASTE not in caplog.text.split("Traceback")[0]
    assert 'status="500"' in client.get("/metrics").text


def test_what_is_logged_of_events_names_nobody(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="thousandfaces"):
        client.post("/v1/events", json=event("e-1"))
        client.post("/v1/events", json=event("e-2", "c-999"))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            {"epsilon": 4.0, "delta": 1e-6},
            "at most 98.2% sure (ε = 4, apart from a chance of 1 in 1,000,000)",
        ),
        ({"epsilon": 0.5}, "at most 62.2% sure (ε = 0.5)"),
        ({"epsilon": 20.0}, "practically sure"),
        ({}, "makes no privacy promise"),
        ({"epsilon": float("inf")}, "makes no privacy promise"),
        ({"epsilon": 4.0, "in_plain_words": "Own words."}, "Own words."),
    ],
)
def test_epsilon_in_plain_words(statement: dict[str, object], words: str) -> None:
    assert words in in_plain_words(statement)
