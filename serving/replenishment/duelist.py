"""The due list of a silo, for push messages and campaigns inside it: who needs what again, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.bundle.contents import Bundle
from recsys.data.contracts import Table
from recsys.data.dataset import Dataset
from recsys.data.history import Histories
from recsys.errors import BundleError
from recsys.features.price_tiers import price_tiers
from recsys.models.replenishment import IntervalModel
from recsys.recommend.due import bases, due_items, past
from recsys.silos.base import Silo
from serving.items.assortment import available_items
from serving.replenishment.flags import dormant, price_sensitive
from serving.replenishment.output import check_path, whole_file
from serving.replenishment.reading import Customers
from serving.replenishment.rows import CHANCES, Question, columns, selected

_MOMENT = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("item_id", pa.string()),
        *((name, _MOMENT) for name in ("expected_at", "low", "high")),
        ("remind_on", pa.date32()),
        *((name, pa.float64()) for name in CHANCES),
        ("basis", pa.string()),
        *((name, pa.bool_()) for name in ("price_sensitive", "dormant", "out_of_stock")),
    ]
)


@dataclass(frozen=True)
class Written:
    """How much was written: rows, and customers with any."""

    rows: int
    customers: int


def write_due_list(
    silo: Silo,
    bundle: Bundle,
    question: Question,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write who needs what again: customers by id, each one's items soonest first, columns as in SCHEMA.

    Only customers who consented to personalisation, and items that the silo sells. Flags are facts about the
    customer (and stock), from own events and public prices.

    progress: told how many customers are done, of how many.
    Raises ConfigError (the file), BundleError (no replenishment model), OrderingError (no timestamps),
    DataContractError (the silo's tables).
    """
    check_path(out)
    if not bundle.intervals:
        raise BundleError(
            f"bundle {bundle.version} has no replenishment model; train with a share for it, or serve another"
        )
    lister = _Lister.of(silo, bundle, question)
    customers, done, rows, some = Customers(silo, bundle.catalogue), 0, 0, 0
    with whole_file(out, SCHEMA) as writer:
        for dataset in customers.chunks():
            table = lister.table(dataset)
            writer.write_table(table)
            done, rows = done + len(dataset.customer_ids), rows + table.num_rows
            some += len(table["customer_id"].unique())
            if progress is not None:
                progress(done, len(customers))
    return Written(rows, some)


@dataclass(frozen=True, eq=False)
class _Lister:
    model: IntervalModel
    question: Question
    sold: NDArray[np.bool_]
    available: NDArray[np.bool_]
    tiers: NDArray[np.int64]
    item_ids: pa.Array

    @classmethod
    def of(cls, silo: Silo, bundle: Bundle, question: Question) -> _Lister:
        catalogue = bundle.catalogue
        model = IntervalModel.from_arrays(bundle.intervals, catalogue)
        sold, available = available_items(catalogue, silo.read(Table.ITEMS), silo.read(Table.STOCK))
        ids = pa.array(catalogue.item_ids, pa.string())
        return cls(model, question, sold, available, price_tiers(catalogue), ids)

    def table(self, dataset: Dataset) -> pa.Table:
        """The rows of some customers."""
        h = past(dataset.histories, self.question.now)
        found = selected(due_items(self.model, h, self.question.now), self.question, self.sold)
        needs, ids = found.needs, pa.array(dataset.customer_ids, pa.string())
        basis, texts = bases(found, self.model.catalogue)
        values = columns(found, self.question)
        moments = {name: pa.array(values[name] * 1_000, _MOMENT) for name in ("expected_at", "low", "high")}
        return pa.table(
            {
                "customer_id": ids.take(pa.array(needs.customers)),
                "item_id": self.item_ids.take(pa.array(needs.items)),
                **values,
                **moments,
                "remind_on": pa.array(values["remind_on"], pa.int32()).cast(pa.date32()),
                "basis": pa.array(texts, pa.string()).take(pa.array(basis)),
                **self._flags(h, needs.customers),
                "out_of_stock": ~self.available[needs.items],
            },
            schema=SCHEMA,
        )

    def _flags(self, h: Histories, customers: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
        cheap, away = price_sensitive(h, self.tiers), dormant(h, self.question.now)
        return {"price_sensitive": cheap[customers], "dormant": away[customers]}
