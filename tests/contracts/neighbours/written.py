"""Worlds as folders: files, online store, silo.toml and federation.toml, for training and serving alike."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.data.contracts import CONTRACTS, Table
from recsys.data.vocab import Catalogue
from recsys.silos.config import SiloConfig
from recsys.silos.event_store import OnlineEventStore
from tests.contracts.neighbours.worlds import AREAS, CATEGORIES, ITEMS, STORES, Row, World

PUBLIC: dict[str, dict[str, list[Any]]] = {
    "items": {
        "item_id": list(ITEMS),
        "title": [f"Good no. {number}" for number in range(len(ITEMS))],
        "category": [CATEGORIES[number % len(CATEGORIES)] for number in range(len(ITEMS))],
        "price": [1.0 + number for number in range(len(ITEMS))],
        "consumable": [number % 4 > 0 for number in range(len(ITEMS))],
    },
    "stores": {"store_id": list(STORES), "name": ["First Street", "Second Street"], "area": list(AREAS)},
    "stock": {"store_id": ["s1", "s2"], "item_id": ["item 00", "item 01"], "quantity": [3.0, 0.0]},
}
CATALOGUE = Catalogue.from_table(pa.table(PUBLIC["items"]))
COLUMNS = {
    Table.CUSTOMERS: CONTRACTS[Table.CUSTOMERS].names,
    Table.INTERACTIONS: ("event_id", "customer_id", "item_id", "event", "quantity", "price"),
}


def write_world(world: World, folder: Path, *, name: str = "north") -> Path:
    """One silo of the name in `folder`/silos, and the catalogue; returns its silo.toml."""
    place = folder / "silos" / name
    place.mkdir(parents=True)
    for table, columns in PUBLIC.items():
        pq.write_table(pa.table(columns), place / f"{table}.parquet")
    pq.write_table(pa.table(PUBLIC["items"]), folder / "catalogue.parquet")
    _write(world, Table.CUSTOMERS, world.customers, place)
    _write(world, Table.INTERACTIONS, world.interactions, place)
    if world.ordering == "timestamp":
        _write_online(world, place / "online.sqlite")
    settings = {
        "name": name,
        "folder": ".",
        "timezone": "Europe/Berlin",
        "registered_customers": 100,
        "epsilon_cap": 8.0,
        "delta": 1e-6,
        "online": "online.sqlite",
        "ledger": "ledger.sqlite",
    }
    (place / "silo.toml").write_text(_toml(settings), encoding="utf-8")
    return place / "silo.toml"


def write_federation(worlds: dict[str, World], folder: Path) -> Path:
    """Silos by name that train together; returns federation.toml."""
    silos = [str(write_world(world, folder, name=name).relative_to(folder)) for name, world in worlds.items()]
    settings = {"catalogue": "catalogue.parquet", "silos": silos, "max_silos_per_person": len(silos)}
    (folder / "federation.toml").write_text(_toml(settings), encoding="utf-8")
    return folder / "federation.toml"


def configured(silo_toml: Path) -> SiloConfig:
    """The silo's configuration; its `training_silo()` has the online events in it."""
    return SiloConfig.load(silo_toml)


def _write(world: World, table: Table, rows: tuple[Row, ...], place: Path) -> None:
    columns = COLUMNS[table]
    if table is Table.INTERACTIONS:
        columns = (*columns, world.ordering, "store_id")
    if world.kind == "csv":
        (place / f"{table}.csv").write_bytes(_csv(world, columns, rows))
        return
    schema = pa.schema([field for field in CONTRACTS[table].schema if field.name in columns])
    cells = [row.cells for row in rows if isinstance(row.cells, dict)]
    pq.write_table(pa.Table.from_pylist(cells, schema), place / f"{table}.parquet")


def _csv(world: World, columns: tuple[str, ...], rows: tuple[Row, ...]) -> bytes:
    """Lines in order, in every second world with all values in quotes."""
    quoting = csv.QUOTE_ALL if world.number % 4 < 2 else csv.QUOTE_MINIMAL
    lines = [_line(columns, quoting)]
    for row in rows:
        if isinstance(row.cells, bytes):
            lines.append(row.cells + b"\n")
        else:
            lines.append(_line([_text(world, row.cells.get(column)) for column in columns], quoting))
    return b"".join(lines)


def _line(cells: Any, quoting: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerow(cells)
    return text.getvalue().encode()


def _text(world: World, value: Any) -> str:
    if isinstance(value, datetime):
        return (value if world.aware else value.replace(tzinfo=None)).isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _write_online(world: World, path: Path) -> None:
    store = OnlineEventStore(path)
    for event in world.online:
        store.append([event])
    store.close()


def _toml(settings: dict[str, object]) -> str:
    """Strings, numbers and lists of strings look the same in TOML and JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
