"""What is told beside the date: habits, seasons, offers, substitutes, and categories where items change."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.testclient import TestClient

from recsys.models.replenishment import IntervalModel
from recsys.models.rhythm_start import START
from serving.settings import Settings
from tests.serving.builder import TASTE, event, item, make_silo
from tests.serving.replenishment.needs import DAY, bought, due, moment, rewrite


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
