"""A silo's purchases changed on disk, and what its server says is due."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.testclient import TestClient

from tests.serving.builder import TASTE, item

DAY = timedelta(days=1)


def rewrite(silo: Path, table: str, change: Callable[[dict[str, list[Any]]], object]) -> None:
    """Change a silo's table on disk."""
    path = silo.parent / f"{table}.parquet"
    old = pq.read_table(path)
    columns = old.to_pydict()
    change(columns)
    pq.write_table(pa.table(columns, schema=old.schema), path)


def bought(silo: Path, *rows: tuple[int, datetime]) -> None:
    """Nothing but these purchases of items."""
    columns = {
        "event_id": [f"b-{number}" for number in range(len(rows))],
        "customer_id": [TASTE] * len(rows),
        "item_id": [item(number) for number, _ in rows],
        "quantity": [1.0] * len(rows),
        "timestamp": [when for _, when in rows],
    }
    rewrite(silo, "interactions", lambda old: old.update(columns))


def due(client: TestClient, customer: str = TASTE, **parameters: float) -> list[dict[str, Any]]:
    response = client.get(f"/v1/customers/{customer}/replenishment", params=parameters)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["due"]
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
