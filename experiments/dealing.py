"""Turns one file of purchases into silos: each customer is dealt to one silo by a hash, a public rule."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.spec import FileData
from recsys.data.history import EventType, Histories, Ordering
from recsys.data.split import Split, last_basket_split
from recsys.errors import ConfigError

ORDER_COLUMNS = {Ordering.ORDER_NUMBER: "order_no", Ordering.TIMESTAMP: "timestamp"}
EPSILON_CAP, DELTA = 16.0, 1e-6


@dataclass(frozen=True)
class Purchases:
    """All purchases of a file: ids as text, and the histories over sorted ids."""

    customer_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    histories: Histories


def read_purchases(data: FileData, folder: Path) -> Purchases:
    """Read the study's file. Raises ConfigError naming the file or the column that is missing."""
    path = folder / data.file
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; give the folder that holds {data.file} with --data")
    order = ORDER_COLUMNS[data.ordering]
    table = pq.read_table(path)
    for column in ("customer_id", "item_id", order):
        if column not in table.column_names:
            raise ConfigError(f"{path}: no column '{column}'; it has {', '.join(table.column_names)}")
    if "event" in table.column_names:
        table = table.filter(pc.equal(table["event"], EventType.PURCHASE.value))
    return _purchases(table, order, data.ordering)


def _purchases(table: pa.Table, order: str, ordering: Ordering) -> Purchases:
    customers, customer = _factorise(table["customer_id"])
    items, item = _factorise(table["item_id"])
    times = table[order].to_numpy().astype(np.int64)
    rows = np.lexsort((item, times, customer))
    offsets = np.searchsorted(customer[rows], np.arange(len(customers) + 1)).astype(np.int64)
    bought = np.full(len(rows), EventType.PURCHASE.code, np.int8)
    ones = np.ones(len(rows), np.float32)
    histories = Histories(offsets, item[rows].astype(np.int32), times[rows], bought, ones, ordering)
    return Purchases(customers, items, histories)


def _factorise(column: pa.ChunkedArray) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    ids, codes = np.unique(column.cast(pa.string()).to_numpy(zero_copy_only=False), return_inverse=True)
    return tuple(map(str, ids)), codes


def deal(purchases: Purchases, data: FileData, folder: Path) -> tuple[Path, Split, NDArray[np.int64]]:
    """Write the training side of the next-basket split as silos; the last baskets are in no file.

    Returns the path of federation.toml, the split over all customers, and each customer's silo (int64 [n]).
    """
    split = last_basket_split(purchases.histories, min_baskets=data.min_baskets)
    silo_of = np.array([_silo(customer, data.silos) for customer in purchases.customer_ids])
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = pa.table({"item_id": list(purchases.item_ids)})
    pq.write_table(catalogue, folder / "catalogue.parquet")
    for silo in range(data.silos):
        _write_silo(folder / f"silo-{silo}", silo, purchases, split.train, silo_of, data, catalogue)
    return _write_federation(folder, data), split, silo_of


def _silo(customer_id: str, silos: int) -> int:
    return int.from_bytes(hashlib.sha256(customer_id.encode()).digest()[:8], "big") % silos


def _write_silo(
    folder: Path,
    silo: int,
    purchases: Purchases,
    train: Histories,
    silo_of: NDArray[np.int64],
    data: FileData,
    catalogue: pa.Table,
) -> None:
    folder.mkdir(exist_ok=True)
    members = np.flatnonzero(silo_of == silo)
    ids = np.array(purchases.customer_ids)[members]
    mine = train.select(members)
    interactions = {
        "customer_id": ids[mine.rows],
        "item_id": np.array(purchases.item_ids)[mine.items],
        ORDER_COLUMNS[data.ordering]: mine.times,
    }
    yes, rank = np.ones(len(ids), bool), np.ones(len(ids), np.int64)
    customers = {
        "customer_id": ids,
        "person_key": ids,
        "person_rank": rank,
        "consent_training": yes,
        "consent_personalisation": yes,
    }
    pq.write_table(pa.table(interactions), folder / "interactions.parquet")
    pq.write_table(pa.table(customers), folder / "customers.parquet")
    pq.write_table(catalogue, folder / "items.parquet")
    (folder / "silo.toml").write_text(_silo_toml(f"silo-{silo}", data), encoding="utf-8")


def _silo_toml(name: str, data: FileData) -> str:
    return (
        f'name = "{name}"\nregistered_customers = {data.registered_customers}\n'
        f'epsilon_cap = {EPSILON_CAP}\ndelta = {DELTA}\nordering = "{data.ordering.value}"\n'
    )


def _write_federation(folder: Path, data: FileData) -> Path:
    silos = [f"silo-{silo}/silo.toml" for silo in range(data.silos)]
    bound = data.max_silos_per_person or data.silos
    text = (
        f'catalogue = "catalogue.parquet"\nsilos = {json.dumps(silos)}\nmax_silos_per_person = {bound}\n\n'
        '[world]\ndata_kind = "research"\n'
        'description = "research data, dealt to silos by a hash of the customer id"\n'
    )
    path = folder / "federation.toml"
    path.write_text(text, encoding="utf-8")
    return path
