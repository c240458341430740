"""Turns one file of purchases into silos: each customer is dealt to one silo by a hash, a public rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Part:
    """What one silo is given: its customers' ids, each one's person_rank, and their histories."""

    name: str
    customer_ids: NDArray[Any]
    ranks: NDArray[np.int64]
    histories: Histories
    registered_customers: int


@dataclass(frozen=True)
class Rules:
    """How silos are written, all alike. max_silos_per_person: public bound; delta: of the silos' caps."""

    max_silos_per_person: int
    description: str
    epsilon_cap: float = EPSILON_CAP
    delta: float = DELTA


def deal(purchases: Purchases, data: FileData, folder: Path) -> tuple[Path, Split, NDArray[np.int64]]:
    """Write the training side of the next-basket split as silos; the last baskets are in no file.

    Returns the path of federation.toml, the split over all customers, and each one's silo (int64 [n]).
    """
    split = last_basket_split(purchases.histories, min_baskets=data.min_baskets)
    ids = np.array(purchases.customer_ids)
    silo_of = hashed_silos(ids, data.silos)
    parts = [
        Part(
            f"silo-{silo}",
            ids[members],
            np.ones(len(members), np.int64),
            split.train.select(members),
            data.registered_customers,
        )
        for silo in range(data.silos)
        for members in [np.flatnonzero(silo_of == silo)]
    ]
    rules = Rules(
        data.max_silos_per_person or data.silos, "research data, dealt to silos by a hash of the customer id"
    )
    catalogue = pa.table({"item_id": list(purchases.item_ids)})
    return write_silos(folder, parts, catalogue, rules), split, silo_of


def hashed_silos(customer_ids: NDArray[Any], silos: int) -> NDArray[np.int64]:
    """Each customer's silo by a hash of the id: a public rule that puts everybody into one; int64 [n]."""
    return np.array([_silo(str(customer), silos) for customer in customer_ids], np.int64)


def _silo(customer_id: str, silos: int) -> int:
    return int.from_bytes(hashlib.sha256(customer_id.encode()).digest()[:8], "big") % silos


def write_silos(folder: Path, parts: Sequence[Part], catalogue: pa.Table, rules: Rules) -> Path:
    """Write every silo's tables and configuration; returns the path of federation.toml.

    catalogue: a checked items table, the same for all silos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(catalogue, folder / "catalogue.parquet")
    item_ids = catalogue["item_id"].to_numpy(zero_copy_only=False)
    for part in parts:
        _write_silo(folder / part.name, part, item_ids, catalogue, rules)
    return _write_federation(folder, parts, rules)


def _write_silo(folder: Path, part: Part, item_ids: NDArray[Any], catalogue: pa.Table, rules: Rules) -> None:
    folder.mkdir(exist_ok=True)
    mine = part.histories
    interactions = {"customer_id": part.customer_ids[mine.rows], "item_id": item_ids[mine.items]}
    if mine.ordering in ORDER_COLUMNS:
        interactions[ORDER_COLUMNS[mine.ordering]] = mine.times
    yes = np.ones(len(part.customer_ids), bool)
    if (mine.quantities != 1.0).any():
        interactions["quantity"] = mine.quantities.astype(np.float64)
    customers = {
        "customer_id": part.customer_ids,
        "person_key": part.customer_ids,
        "person_rank": part.ranks,
        "consent_training": yes,
        "consent_personalisation": yes,
    }
    pq.write_table(pa.table(interactions), folder / "interactions.parquet")
    pq.write_table(pa.table(customers), folder / "customers.parquet")
    pq.write_table(catalogue, folder / "items.parquet")
    (folder / "silo.toml").write_text(_silo_toml(part, rules), encoding="utf-8")


def _silo_toml(part: Part, rules: Rules) -> str:
    return (
        f'name = "{part.name}"\nregistered_customers = {part.registered_customers}\n'
        f"epsilon_cap = {rules.epsilon_cap}\ndelta = {rules.delta}\n"
        f'ordering = "{part.histories.ordering.value}"\n'
    )


def _write_federation(folder: Path, parts: Sequence[Part], rules: Rules) -> Path:
    silos = [f"{part.name}/silo.toml" for part in parts]
    text = (
        f'catalogue = "catalogue.parquet"\nsilos = {json.dumps(silos)}\n'
        f"max_silos_per_person = {rules.max_silos_per_person}\n\n"
        f'[world]\ndata_kind = "research"\ndescription = {json.dumps(rules.description)}\n'
    )
    path = folder / "federation.toml"
    path.write_text(text, encoding="utf-8")
    return path
