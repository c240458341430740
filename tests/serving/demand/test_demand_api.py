from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serving.settings import Settings
from tests.serving.builder import TASTE, item
from tests.serving.demand.builder import AREAS, SHARES, stocked_silo, with_demand

Serve = Callable[..., TestClient]


@pytest.fixture(scope="module")
def foresighted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_demand(tmp_path_factory.mktemp("bundles"))


def test_pages_of_the_forecast(settings: Settings, serve: Serve, foresighted: Path) -> None:
    client = serve(settings, bundle=foresighted)
    first = client.get("/v1/demand", params={"days": 14, "limit": 100}).json()
    assert (first["silo"], first["days"], first["areas"]) == ("north", 14, list(AREAS))
    assert (first["total"], first["next_offset"]) == (150, 100)  # 50 items sold here, on three areas
    rest = client.get("/v1/demand", params={"days": 14, "limit": 100, "offset": 100}).json()
    assert rest["next_offset"] is None
    rows = first["demand"] + rest["demand"]
    assert len({(row["area"], row["item_id"]) for row in rows}) == 150
    for row in rows:
        assert row["expected"] == pytest.approx(14 * SHARES[AREAS.index(row["area"])], abs=0.01)
        assert 0 <= row["low"] < row["expected"] < row["high"]
    assert first["data_until"] == "2024-10-04"
    assert first["privacy_statement_id"] is not None


def test_some_areas_and_items(settings: Settings, serve: Serve, foresighted: Path) -> None:
    client = serve(settings, bundle=foresighted)
    answer = client.get("/v1/demand", params={"area": ["west"], "item": [item(3), item(5)]}).json()
    assert [(row["area"], row["item_id"]) for row in answer["demand"]] == [
        ("west", item(3)),
        ("west", item(5)),
    ]


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"area": "north pole"}, "unknown_area", "area"),
        ({"item": "nothing"}, "unknown_item", "item"),
        ({"item": item(55)}, "unknown_item", "item"),  # in the catalogue, not sold here
    ],
)
def test_what_is_not_there_is_named(
    settings: Settings, serve: Serve, foresighted: Path, asked: dict[str, str], code: str, field: str
) -> None:
    answer = serve(settings, bundle=foresighted).get("/v1/demand", params=asked)
    assert answer.status_code == 404
    assert (answer.json()["error"]["code"], answer.json()["error"]["field"]) == (code, field)


@pytest.mark.parametrize("asked", [{"days": 0}, {"days": "nan"}, {"days": 400}, {"limit": 0}, {"offset": -1}])
def test_what_cannot_be_asked(settings: Settings, serve: Serve, foresighted: Path, asked: dict) -> None:
    assert serve(settings, bundle=foresighted).get("/v1/demand", params=asked).status_code == 422


def test_without_a_forecast_the_answer_says_what_to_do(
    client: TestClient, settings: Settings, serve: Serve, tmp_path: Path
) -> None:
    others = serve(settings, bundle=with_demand(tmp_path / "others", silo="south"))
    for served in (client, others):
        answer = served.get("/v1/demand")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "no_demand_forecast"
        due = served.get(f"/v1/customers/{TASTE}/replenishment", params={"horizon_days": 60}).json()["due"]
        assert due
        assert not any(one["out_of_stock_by_then"] for one in due)


@pytest.mark.parametrize(
    ("east", "west", "warned"),
    [(0.5, 0.2, True), (0.5, 90.0, False), (500.0, 0.0, False)],
)
def test_what_is_likely_to_be_sold_out_before_it_is_needed_comes_with_a_substitute(
    settings: Settings,
    serve: Serve,
    foresighted: Path,
    tmp_path: Path,
    east: float,
    west: float,
    warned: bool,
) -> None:
    client = serve(settings, bundle=foresighted, silo=stocked_silo(tmp_path / "stocked", east, west))
    due = client.get(f"/v1/customers/{TASTE}/replenishment", params={"horizon_days": 60}).json()["due"]
    coming = [one for one in due if one["expected_at"] > datetime.now(UTC).isoformat()]
    assert coming
    for one in coming:
        assert not one["out_of_stock"]
        assert one["out_of_stock_by_then"] is warned
        assert (one["substitute"] is not None) is warned


def test_an_old_count_has_been_sold_from(
    settings: Settings, serve: Serve, foresighted: Path, tmp_path: Path
) -> None:
    month = datetime.now(UTC) - timedelta(days=30)
    client = serve(settings, bundle=foresighted, silo=stocked_silo(tmp_path / "old", 15.0, 5.0, month))
    due = client.get(f"/v1/customers/{TASTE}/replenishment", params={"horizon_days": 60}).json()["due"]
    coming = [one for one in due if one["expected_at"] > datetime.now(UTC).isoformat()]
    assert coming
    assert all(one["out_of_stock_by_then"] for one in coming)
