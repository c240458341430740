"""Bundles with a forecast of sales, and silos with stores and stock for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.bundle.contents import Bundle, Parts, assemble
from recsys.bundle.store import read_bundle, write_bundle
from recsys.models.demand_forecast import Place, described
from tests.recsys.bundle_builder import make_bundle
from tests.serving.builder import N_ITEMS, item, make_silo

AREAS = ("", "east", "west")
SHARES = (0.1, 0.6, 0.3)
LEVEL = 60.0  # units a day, one of each item


def demand_arrays(silo: str = "north") -> dict[str, np.ndarray]:
    """All items sell alike, one unit a day, on three areas."""
    slots = np.array([*SHARES, 0.0], np.float32)
    return {
        "places": described([Place(silo, AREAS)], 20_000),
        "mix": np.full((1, N_ITEMS), 1 / N_ITEMS, np.float32),
        "mix_error": np.full((1, N_ITEMS), 0.01, np.float32),
        "areas": slots[None, None].copy(),
        "areas_error": np.full((1, 1, 4), 0.001, np.float32),
        "level": np.array([LEVEL]),
        "level_error": np.array([0.0001]),
        "dispersion": np.array([1.2, 1.1, 1.0]),
    }


def with_demand(root: Path, silo: str = "north") -> Path:
    """A bundle that foresees the sales of a silo; returns its folder."""
    plain = read_bundle(make_bundle(root / "plain", n_items=N_ITEMS))
    folder = root / "with-demand"
    write_bundle(folder, again(plain, demand_arrays(silo)))
    return folder


def again(bundle: Bundle, demand: dict[str, Any]) -> Bundle:
    """The same bundle with another forecast."""
    fields = {name: getattr(bundle, name) for name in Parts.__dataclass_fields__}
    parts = replace(Parts(**fields), demand=demand)
    made = bundle.manifest
    return assemble(parts, sequence=made.sequence, blend=made.blend, blocks=made.blocks)


def stocked_silo(folder: Path, east: float, west: float, counted: datetime | None = None) -> Path:
    """A silo that has so many units of each item in its two areas; one of its stores is in none."""
    path = make_silo(folder)
    stores = {"store_id": ["s-1", "s-2", "s-3"], "area": ["east", "west", None]}
    pq.write_table(pa.table(stores), folder / "stores.parquet")
    ids = [item(number) for number in range(50)]
    stock = {
        "store_id": ["s-1"] * 50 + ["s-2"] * 50,
        "item_id": ids * 2,
        "quantity": [east] * 50 + [west] * 50,
        "updated_at": pa.array([counted or datetime.now(UTC)] * 100, pa.timestamp("us", tz="UTC")),
    }
    pq.write_table(pa.table(stock), folder / "stock.parquet")
    return path
