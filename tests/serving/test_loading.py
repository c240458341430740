from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from recsys.bundle.source import RegistrySource
from serving.settings import Settings, default_cache
from tests.serving.builder import TASTE, make_silo


def test_a_bundle_comes_from_the_registry_into_the_cache(
    settings: Settings, serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Path]] = []

    def fetch(source: RegistrySource) -> Path:
        asked.append((source.uri, source.cache))
        return Path(settings.bundle)

    monkeypatch.setattr(RegistrySource, "fetch", fetch)
    client = serve(settings, bundle="models:/faces@champion")
    assert client.get("/health/ready").status_code == 200
    assert asked == [("models:/faces@champion", settings.cache)]


def test_the_cache_follows_the_users_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert default_cache() == Path("/var/cache/me/thousandfaces/bundles")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache().is_relative_to(Path.home())


@pytest.mark.parametrize("ordering", ["order_number", "none"])
def test_a_silo_without_timestamps_still_gets_recommendations(
    settings: Settings, serve: Callable[..., TestClient], tmp_path: Path, ordering: str
) -> None:
    client = serve(settings, silo=_without_times(tmp_path, ordering))
    answer = client.post("/v1/recommendations", json={"customer_id": TASTE, "k": 5})
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"][0]["kind"] == "repeat"
    codes = [one["code"] for one in answer.json()["degraded"]]
    assert codes == (["no_event_order"] if ordering == "none" else [])
    due = client.get(f"/v1/customers/{TASTE}/replenishment")
    assert (due.status_code, due.json()["error"]["code"]) == (409, "no_event_times")
    events = client.get(f"/v1/demo/customers/{TASTE}/events").json()["events"]
    assert {one["timestamp"] for one in events} == {None}


def _without_times(tmp_path: Path, ordering: str) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    silo = make_silo(tmp_path / ordering, extra=f'ordering = "{ordering}"')
    path = silo.parent / "interactions.parquet"
    table = pq.read_table(path).drop_columns(["timestamp"])
    if ordering == "order_number":
        table = table.append_column("order_no", pa.array(range(table.num_rows), pa.int64()))
    pq.write_table(table, path)
    return silo
