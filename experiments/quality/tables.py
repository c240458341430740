"""A folder of purchases that meets the data contract, read into histories over a public catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from experiments.quality.catalogue import read_public_catalogue, restricted
from experiments.quality.columns import read_silo_column
from recsys.data.history import EventType, Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, DataContractError, Location

FILES = ("interactions", "transactions", "baskets", "ratings")
KEPT = (EventType.PURCHASE.value, EventType.RATING.value)
"""Events that are kept: purchases, or ratings where nothing was purchased; other events tell no target."""


@dataclass(frozen=True, eq=False)
class Purchases:
    """All purchases (or ratings) of a data set, customer by customer, oldest first.

    histories:  over `catalogue` positions; row c belongs to customer_ids[c]
    silos:      int64 [events], number of the event's silo in `silo_names`; empty where customers are dealt
    test:       bool [events], the data set's own test part; empty where it has none
    set_sizes:  int64 [customers], distinct items of each customer before any restriction of the items
    negatives:  customer position -> item positions to rank the test item among; empty: among all items
    notes:      what was decided while reading, for the reader of the results
    """

    name: str
    source: Path
    customer_ids: NDArray[Any]
    catalogue: Catalogue
    histories: Histories
    silos: NDArray[np.int64]
    silo_names: tuple[str, ...]
    test: NDArray[np.bool_]
    set_sizes: NDArray[np.int64]
    negatives: dict[int, NDArray[np.int64]]
    notes: tuple[str, ...]

    def among(self, items: NDArray[np.int64], note: str) -> Purchases:
        """Only these items (catalogue positions), with a catalogue of them alone."""
        position = np.full(len(self.catalogue), -1, np.int32)
        chosen = np.sort(items)
        position[chosen] = np.arange(len(chosen), dtype=np.int32)
        keep = position[self.histories.items] >= 0
        kept = self.histories.where(keep)
        return replace(
            self,
            catalogue=restricted(self.catalogue, chosen),
            histories=replace(kept, items=position[kept.items]),
            silos=self.silos[keep] if len(self.silos) else self.silos,
            test=self.test[keep] if len(self.test) else self.test,
            negatives={c: position[n][position[n] >= 0].astype(np.int64) for c, n in self.negatives.items()},
            notes=(*self.notes, note),
        )


def read_purchases(folder: Path, silo_column: str | None = None) -> Purchases:
    """Read a folder of Parquet files.

    One of interactions, transactions, baskets or ratings.parquet with customer_id and item_id, and, where the
    set has them, timestamp or order_no, event, quantity, split; items.parquet is the public catalogue; a
    `*_test.parquet` file is the data set's own test part. Raises ConfigError or DataContractError naming
    file, column and value.
    """
    path = _main_file(folder)
    table = _kept_events(pq.read_table(path), path)
    table, negatives, noted = _with_test(table, folder, path)
    catalogue, from_file = read_public_catalogue(folder, table["item_id"])
    ids, customers = np.unique(table["customer_id"].to_numpy(zero_copy_only=False), return_inverse=True)
    items = catalogue.indices(table["item_id"])
    ordering, times = _times(table, path)
    rows = np.lexsort((items, times, customers))
    offsets = np.searchsorted(customers[rows], np.arange(len(ids) + 1)).astype(np.int64)
    codes = np.full(len(rows), EventType.PURCHASE.code, np.int8)
    units = _quantities(table, path)[rows]
    histories = Histories(offsets, items[rows], times[rows], codes, units, ordering)
    silo_names, silos = read_silo_column(table, folder, path, silo_column)
    test = _test_part(table)
    number = {str(customer): position for position, customer in enumerate(ids)}
    return Purchases(
        name=folder.resolve().name,
        source=path,
        customer_ids=ids,
        catalogue=catalogue,
        histories=histories,
        silos=silos[rows] if len(silos) else silos,
        silo_names=silo_names,
        test=test[rows] if len(test) else test,
        set_sizes=set_sizes(histories, len(catalogue)),
        negatives={number[c]: catalogue.indices(n).astype(np.int64) for c, n in negatives.items()},
        notes=(_catalogue_note(from_file), *noted),
    )


def set_sizes(histories: Histories, n_items: int) -> NDArray[np.int64]:
    """How many distinct items each customer has; int64 [n]."""
    pairs = np.unique(histories.rows * n_items + histories.items)
    return np.bincount(pairs // n_items, minlength=len(histories))


def _catalogue_note(from_file: bool) -> str:
    if from_file:
        return "items.parquet is the public catalogue"
    return "no items.parquet: the item ids of the file are taken to be a public catalogue without features"


def _main_file(folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; give the folder of a data set with --data")
    for name in FILES:
        if (folder / f"{name}.parquet").is_file():
            return folder / f"{name}.parquet"
    wanted = ", ".join(f"{name}.parquet" for name in FILES)
    raise ConfigError(f"{folder}: none of {wanted} is there; put the purchases into one of these")


def _kept_events(table: pa.Table, path: Path) -> pa.Table:
    for column in ("customer_id", "item_id"):
        _require_ids(table, path, column)
    if "event" in table.column_names:
        for kept in KEPT:
            part = table.filter(pc.equal(table["event"], kept))
            if part.num_rows:
                table = part
                break
        else:
            shown = str(table["event"][0]) if table.num_rows else "nothing"
            raise DataContractError(
                Location(str(path), column="event", value=shown),
                "neither a purchase nor a rating in the whole file",
                "write 'purchase' or 'rating' in event, or leave the column out",
            )
    if not table.num_rows:
        raise DataContractError(Location(str(path)), "no rows", "export the purchases again")
    for column in ("customer_id", "item_id"):
        table = table.set_column(
            table.column_names.index(column), column, table[column].cast(pa.string()).combine_chunks()
        )
    return table


def _require_ids(table: pa.Table, path: Path, column: str) -> None:
    if column not in table.column_names:
        present = ", ".join(table.column_names)
        raise DataContractError(
            Location(str(path), column=column), f"missing column (the file has: {present})", "add it"
        )
    values = table[column]
    if not (pt.is_integer(values.type) or pt.is_string(values.type) or pt.is_large_string(values.type)):
        raise DataContractError(
            Location(str(path), column=column, value=str(values.type)),
            "ids are text or whole numbers",
            "cast the column",
        )
    if values.null_count:
        row = pc.index(pc.is_null(values), True).as_py() + 1
        raise DataContractError(
            Location(str(path), row=row, column=column), "missing value", "fill it, or leave the row out"
        )


def _times(table: pa.Table, path: Path) -> tuple[Ordering, NDArray[np.int64]]:
    """What orders the events: timestamps, else order numbers, else nothing."""
    for column, ordering in (("timestamp", Ordering.TIMESTAMP), ("order_no", Ordering.ORDER_NUMBER)):
        if column not in table.column_names or table[column].null_count == table.num_rows:
            continue
        values = table[column]
        if values.null_count:
            row = pc.index(pc.is_null(values), True).as_py() + 1
            raise DataContractError(
                Location(str(path), row=row, column=column),
                "a gap in a column that orders the events",
                "fill it, leave the row out, or drop the column",
            )
        if pt.is_timestamp(values.type):
            values = pc.cast(values, pa.timestamp("s", tz=values.type.tz), safe=False)
        elif not pt.is_integer(values.type):
            raise DataContractError(
                Location(str(path), column=column, value=str(values.type)),
                "not a time or a whole number",
                "write Unix seconds (timestamp) or whole numbers (order_no)",
            )
        return ordering, np.asarray(values.cast(pa.int64()).to_numpy(), np.int64)
    return Ordering.NONE, np.zeros(table.num_rows, np.int64)


def _quantities(table: pa.Table, path: Path) -> NDArray[np.float32]:
    """Units of every event; 1 where nothing is said."""
    if "quantity" not in table.column_names:
        return np.ones(table.num_rows, np.float32)
    values = table["quantity"]
    if not (pt.is_integer(values.type) or pt.is_floating(values.type)):
        raise DataContractError(
            Location(str(path), column="quantity", value=str(values.type)), "not a number", "cast the column"
        )
    units = np.asarray(pc.fill_null(values.cast(pa.float64()), 1.0).to_numpy(), np.float32)
    wrong = np.flatnonzero(~((units >= 0.0) & np.isfinite(units)))
    if len(wrong):
        raise DataContractError(
            Location(str(path), int(wrong[0]) + 1, "quantity", str(units[wrong[0]])),
            "units are a number of at least 0",
            "correct it, or leave the row out (returns are events of their own)",
        )
    return units


def _with_test(
    table: pa.Table, folder: Path, path: Path
) -> tuple[pa.Table, dict[str, Sequence[str]], list[str]]:
    """The table with the pairs of a `*_test.parquet` file marked (and added where it lacks them)."""
    files = sorted(folder.glob("*_test.parquet"))
    if not files:
        return table, {}, []
    if len(files) > 1:
        raise ConfigError(f"{folder}: {files[0].name} and {files[1].name} are both test files; keep one")
    test = pq.read_table(files[0])
    for column in ("customer_id", "item_id"):
        _require_ids(test, files[0], column)
    names = ["customer_id", "item_id"]
    pairs = pa.table({name: test[name].cast(pa.string()) for name in names})
    joined = _outer_join(table, pairs, path)
    negatives: dict[str, Sequence[str]] = {}
    if "negatives" in test.column_names:
        customers = pairs["customer_id"].to_pylist()
        lists = test["negatives"].to_pylist()
        negatives = {c: [str(item) for item in items] for c, items in zip(customers, lists, strict=True)}
    return joined, negatives, [f"{files[0].name} is the data set's own test part"]


def _outer_join(table: pa.Table, pairs: pa.Table, path: Path) -> pa.Table:
    def keys(part: pa.Table) -> pa.Array:
        return pc.binary_join_element_wise(
            part["customer_id"].combine_chunks(), part["item_id"].combine_chunks(), "\x1f"
        )

    inside, wanted = keys(table), keys(pairs)
    split = pc.if_else(pc.is_in(inside, value_set=wanted), "test", "train")
    if "split" in table.column_names:
        table = table.drop_columns(["split"])
    table = table.append_column("split", split)
    missing = pairs.filter(pc.invert(pc.is_in(wanted, value_set=inside)))
    if not missing.num_rows:
        return table
    if any(name in table.column_names for name in ("timestamp", "order_no")):
        raise DataContractError(
            Location(str(path)),
            f"{missing.num_rows} pairs of the test file are not in it, and have no place in its order",
            "add them with their times",
        )
    missing = missing.append_column("split", pa.array(["test"] * missing.num_rows))
    return pa.concat_tables([table, missing], promote_options="default")


def _test_part(table: pa.Table) -> NDArray[np.bool_]:
    if "split" not in table.column_names:
        return np.zeros(0, bool)
    return np.asarray(pc.is_in(table["split"], value_set=pa.array(["test", "next"])).to_numpy(), bool)
