import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.testclient import TestClient

from serving.clock import Clock
from serving.settings import Settings
from tests.serving.builder import NEW, event, make_silo


def test_the_system_clock_is_kept_for_fresh_or_no_data() -> None:
    assert Clock.at_end_of(None) == Clock()
    assert Clock.at_end_of(datetime.now(UTC) - timedelta(hours=1)) == Clock()
    assert abs((Clock().now() - datetime.now(UTC)).total_seconds()) < 5


def test_old_data_sets_the_clock_back_and_it_runs_on() -> None:
    clock = Clock.at_end_of(datetime.fromtimestamp(1_700_000_000, UTC))
    assert 0 <= clock.seconds() - 1_700_000_000 < 5
    before = clock.seconds()
    time.sleep(0.01)
    assert clock.seconds() > before


def test_a_demo_of_old_data_lives_at_its_end(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    ended = datetime.now(UTC) - timedelta(days=200)
    silo = make_silo(
        tmp_path / "old",
        ends_days_ago=200,
        extra=f'online = "online.sqlite"\ndata_until = {ended.isoformat()}',
    )
    client = serve(settings, silo=silo)
    now = datetime.fromisoformat(client.get("/v1/model").json()["now"])
    assert timedelta(days=199) < datetime.now(UTC) - now < timedelta(days=201)
    assert client.post("/v1/events", json=event("e-1", NEW)).json()["error"]["code"] == "future_timestamp"
    assert client.post("/v1/events", json=event("e-1", NEW, timestamp=now.isoformat())).status_code == 202
    real = serve(settings, silo=silo, demo_clock=False)
    assert datetime.fromisoformat(real.get("/v1/model").json()["now"]) > now + timedelta(days=100)


def test_no_customers_events_set_the_clock(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Any
) -> None:
    client = serve(settings, silo=make_silo(tmp_path / "old", ends_days_ago=200))
    now = datetime.fromisoformat(client.get("/v1/model").json()["now"])
    assert datetime.now(UTC) - now < timedelta(minutes=1)
