"""A small silo and a bundle that fits it, on disk, for tests of the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.recsys.bundle_builder import make_bundle, make_catalogue

N_ITEMS = 60
SOLD = 50
SOLD_OUT = 5
TASTE, NEW, TRAINING_ONLY, NOTHING, PERSONAL_ONLY = (
    "c-taste",
    "c-new",
    "c-training",
    "c-nothing",
    "c-personal",
)
CONSENTS = {TASTE: (True, True), NEW: (True, True), TRAINING_ONLY: (True, False)}
CONSENTS |= {NOTHING: (False, False), PERSONAL_ONLY: (False, True)}
TOML = """name = "{name}"
registered_customers = 100
epsilon_cap = 8.0
delta = 1e-6
{extra}
"""


def item(number: int) -> str:
    """The id of an item."""
    return f"item-{number:03d}"


def make_silo(
    folder: Path, name: str = "north", *, ends_days_ago: float = 1.0, extra: str | None = None
) -> Path:
    """A silo's folder with all tables; returns its silo.toml."""
    folder.mkdir(parents=True)
    newest = datetime.now(UTC) - timedelta(days=ends_days_ago)
    pq.write_table(interactions(newest), folder / "interactions.parquet")
    pq.write_table(items(), folder / "items.parquet")
    pq.write_table(customers(), folder / "customers.parquet")
    stock = {
        "store_id": ["s-1", "s-2"] * 2,
        "item_id": [item(5)] * 2 + [item(6)] * 2,
        "quantity": [0.0, 0, 0, 3],
    }
    pq.write_table(pa.table(stock), folder / "stock.parquet")
    path = folder / "silo.toml"
    path.write_text(TOML.format(name=name, extra='online = "online.sqlite"' if extra is None else extra))
    return path


def make_world(root: Path, **silo: Any) -> tuple[Path, Path]:
    """A bundle and a silo: their paths."""
    return make_bundle(root, n_items=N_ITEMS), make_silo(root / "silo", **silo)


def items() -> pa.Table:
    """The first 50 items, one with a price and a title of the silo's own."""
    table = make_catalogue(N_ITEMS).to_table().slice(0, SOLD).to_pydict()
    table["price"][0], table["title"][0], table["title"][1] = 0.99, "House brand", None
    return pa.table(table, schema=make_catalogue(1).to_table().schema)


def customers() -> pa.Table:
    """Every kind of consent."""
    return pa.table(
        {
            "customer_id": list(CONSENTS),
            "consent_training": [training for training, _ in CONSENTS.values()],
            "consent_personalisation": [personal for _, personal in CONSENTS.values()],
        }
    )


def interactions(newest: datetime) -> pa.Table:
    """`c-taste` buys three items of group 0 every week, the others one item once."""
    rows = [(TASTE, number, 7 * week) for week in range(6) for number in (0, 10, 20)]
    rows += [(TRAINING_ONLY, 3, 1), (NOTHING, 4, 1), (PERSONAL_ONLY, 11, 2)]
    return pa.table(
        {
            "event_id": [f"base-{number}" for number in range(len(rows))],
            "customer_id": [customer for customer, _, _ in rows],
            "item_id": [item(number) for _, number, _ in rows],
            "quantity": [1.0] * len(rows),
            "timestamp": pa.array(
                [newest - timedelta(days=days) for _, _, days in rows], pa.timestamp("us", tz="UTC")
            ),
        }
    )


def event(event_id: str, customer: str = TASTE, number: int = 7, **changes: Any) -> dict[str, Any]:
    """An event as a client sends it, a minute old."""
    return {
        "event_id": event_id,
        "customer_id": customer,
        "item_id": item(number),
        "event": "purchase",
        "timestamp": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
    } | changes
