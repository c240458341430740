import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import serving.web.pages
from recsys.errors import ConfigError
from serving.app import create_demo_app
from serving.settings import Peer, Settings
from tests.serving.builder import NEW, TASTE, event, make_silo

WEB = Path(serving.web.pages.__file__).parent
FILES = sorted([*WEB.glob("static/*"), *WEB.glob("templates/*")])


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_refers_only_to_files_that_are_there(client: TestClient, path: str) -> None:
    html = client.get(path).text
    references = re.findall(r'(?:src|href)="(static/[^"]+)"', html)
    assert len(references) >= 3
    for reference in references:
        assert client.get(f"/{reference}").status_code == 200
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_loaded_from_elsewhere(file: Path) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", file.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_the_browser_is_told_to_load_nothing_from_elsewhere(client: TestClient) -> None:
    headers = client.get("/").headers
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"


def test_peers_are_offered_and_cannot_break_the_page(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    client = serve(settings, peers=(Peer(name="</script><b>", url="http://10.0.0.2:8080/"),))
    html = client.get("/").text
    assert "</script><b>" not in html
    assert "http://10.0.0.2:8080/" in html


def test_every_operation_has_a_summary_examples_and_errors(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    operations = [
        (path, operation) for path, methods in description["paths"].items() for operation in methods.values()
    ]
    assert len(operations) == 13
    for path, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        success = next(answer for status, answer in operation["responses"].items() if status < "300")
        assert all("example" in content for content in success["content"].values()), path
        for body in operation.get("requestBody", {}).get("content", {}).values():
            assert body["examples"], path
        assert "422" in operation["responses"], path
    assert "HTTPValidationError" not in description["components"]["schemas"]


def test_the_examples_are_of_the_schemas(client: TestClient) -> None:
    """Each example of an answer has exactly the fields that its schema names."""
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    for path, methods in description["paths"].items():
        for operation in methods.values():
            content = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
            schema = schemas.get(content.get("schema", {}).get("$ref", "").split("/")[-1])
            if schema is not None:
                assert set(content["example"]) == set(schema["properties"]), path


def test_real_answers_have_the_fields_of_the_schemas(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = client.post("/v1/recommendations", json={"customer_id": TASTE}).json()
    similar = client.get("/v1/items/item-001/similar").json()
    customers = client.get("/v1/demo/customers").json()
    events = client.get(f"/v1/demo/customers/{TASTE}/events").json()
    for value, name in [
        (answer, "RecommendationsOut"),
        (answer["items"][0], "RecommendedOut"),
        (answer["items"][0]["reason"], "ReasonOut"),
        (similar, "SimilarItemsOut"),
        (customers, "DemoCustomersOut"),
        (customers["customers"][0], "DemoCustomer"),
        (events["events"][0], "DemoEvent"),
        (client.get("/v1/model").json(), "ModelOut"),
        (client.get("/health/ready").json(), "ReadyOut"),
        (client.post("/v1/events", json=event("e-1")).json(), "EventsAccepted"),
    ]:
        assert set(value) == set(schemas[name]["properties"]), name


def test_customers_are_listed_on_a_demo_server_only(
    settings: Settings, serve: Callable[..., TestClient]
) -> None:
    listed = serve(settings).get("/v1/demo/customers?limit=3").json()["customers"]
    assert {"customer_id": TASTE, "personalisation": True, "events": 18} in listed
    assert any(not one["personalisation"] for one in listed)
    plain = serve(settings, demo=False)
    assert plain.get("/v1/demo/customers").status_code == 404
    assert "/v1/demo/customers" not in plain.get("/openapi.json").text


def test_no_events_are_shown_of_a_customer_without_consent(client: TestClient) -> None:
    assert client.get("/v1/demo/customers/c-nothing/events").json()["events"] == []


@pytest.fixture
def demo(settings: Settings, tmp_path: Path) -> Any:
    south = settings.model_copy(update={"silo": make_silo(tmp_path / "south", "south")})
    with TestClient(create_demo_app([settings, south])) as client:
        yield client


def test_several_silos_side_by_side(demo: TestClient) -> None:
    page = demo.get("/").text
    assert "content-security-policy" in demo.get("/").headers
    assert "silos/north/" in page
    assert "silos/south/" in page
    assert demo.get("/static/page.js").status_code == 200
    assert demo.get("/silos/south/v1/model").json()["silo"] == "south"
    assert demo.get("/silos/south/").status_code == 200
    assert demo.get("/silos/west/v1/model").json()["error"]["code"] == "not_found"


def test_what_happens_in_one_silo_stays_there(demo: TestClient) -> None:
    demo.post("/silos/north/v1/events", json=event("e-1", NEW, 48))
    shown = [
        demo.get(f"/silos/{name}/v1/demo/customers/{NEW}/events").json()["events"]
        for name in ("north", "south")
    ]
    assert [len(events) for events in shown] == [1, 0]


def test_silos_need_different_names(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="different names"):
        create_demo_app([settings, settings])
    with pytest.raises(ConfigError, match="at least one"):
        create_demo_app([])
