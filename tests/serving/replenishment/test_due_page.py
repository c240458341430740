from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from serving.settings import Settings
from tests.serving.builder import NEW, PERSONAL_ONLY, TASTE, event, item
from tests.serving.replenishment.test_duelist import listed


def page(client: TestClient, **parameters: Any) -> dict[str, Any]:
    response = client.get("/v1/replenishment/due", params=parameters)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_all_pages_are_the_file(settings: Settings, serve: Callable[..., TestClient], tmp_path: Path) -> None:
    client = serve(settings, demo=False)
    client.post("/v1/events", json=event("e-1", number=10, event="dismiss"))
    client.post("/v1/events", json=event("e-2", NEW, 31, event="expired"))
    found, after, as_of = [], "", ""
    while after is not None:
        answer = page(client, customers=1, within=60, **({"after": after} if after else {}))
        found += answer["due"]
        after, as_of = answer["next_after"], as_of or answer["as_of"]
    assert [one["customer_id"] for one in found] == [NEW, PERSONAL_ONLY, TASTE, TASTE]
    out = tmp_path / "due.parquet"
    assert listed(settings, out, "--within", "60", "--date", as_of).exit_code == 0
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == len(found)
    for row, one in zip(rows, found, strict=True):
        assert set(row) == set(one)
        for name in ("expected_at", "low", "high"):
            assert row[name] == datetime.fromisoformat(one[name])
        assert row["remind_on"].isoformat() == one["remind_on"]
        assert all(row[name] == one[name] for name in ("item_id", "basis", "p_within_14", "dormant"))


def test_options_narrow_a_page(client: TestClient) -> None:
    assert len([one for one in page(client, most=1)["due"] if one["customer_id"] == TASTE]) == 1
    assert page(client, least=1.0)["due"] == []
    assert page(client, after="zzz") | {"request_id": ""} == page(client, after=TASTE) | {"request_id": ""}
    assert page(client, after=TASTE)["next_after"] is None
    assert page(client, after="L" * 300)["due"] == page(client)["due"]  # any id that a silo may have
    assert item(0) in {one["item_id"] for one in page(client)["due"]}


@pytest.mark.parametrize("wrong", ["within=0", "least=2", "most=0", "customers=201", "after=", "lead_days=x"])
def test_wrong_parameters_are_named(client: TestClient, wrong: str) -> None:
    response = client.get(f"/v1/replenishment/due?{wrong}")
    assert response.status_code == 422
    assert response.json()["error"]["field"] == wrong.split("=")[0]


def test_without_times_it_is_a_conflict(settings: Settings, serve: Callable[..., TestClient]) -> None:
    path = settings.silo.parent / "interactions.parquet"
    pq.write_table(pq.read_table(path).drop_columns("timestamp"), path)
    response = serve(settings, demo=False).get("/v1/replenishment/due")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "no_event_times")


def test_a_row_has_the_fields_of_its_schema(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = page(client)
    assert set(answer) == set(schemas["DueListOut"]["properties"])
    assert set(answer["due"][0]) == set(schemas["DueRowOut"]["properties"])
