"""The due list of a silo, for push messages and campaigns inside it: who needs what again, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recsys.bundle.contents import Bundle
from recsys.data.contracts import Table
from recsys.errors import BundleError
from recsys.features.price_tiers import price_tiers
from recsys.models.replenishment import IntervalModel
from recsys.silos.base import Silo
from serving.items.assortment import available_items
from serving.replenishment.lister import SCHEMA, Lister
from serving.replenishment.output import check_path, whole_file
from serving.replenishment.reading import Customers
from serving.replenishment.rows import Question


@dataclass(frozen=True)
class Written:
    """How much was written: rows, customers with any; and whether broken rows had to be left out."""

    rows: int
    customers: int
    broken: bool


def write_due_list(
    silo: Silo,
    bundle: Bundle,
    question: Question,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write who needs what again: customers by id, each one's items by rank, columns as in SCHEMA.

    Only customers who consented to personalisation, and items that the silo sells. Flags are facts about the
    customer (and stock), from own events and public prices.

    progress: told how many customers are done, of how many.
    Raises ConfigError (the file), BundleError (no replenishment model), OrderingError (no timestamps),
    DataContractError (a file, a column or a public table; broken rows of customers are left out).
    """
    check_path(out)
    if not bundle.intervals:
        raise BundleError(
            f"bundle {bundle.version} has no replenishment model; train with a share for it, or serve another"
        )
    catalogue = bundle.catalogue
    model = IntervalModel.from_arrays(bundle.intervals, catalogue)
    on_sale = available_items(catalogue, silo.read(Table.ITEMS), silo.read(Table.STOCK))
    lister = Lister(model, question, *on_sale, price_tiers(catalogue), bundle.log_popularity)
    customers, done, rows, some = Customers(silo, catalogue), 0, 0, 0
    with whole_file(out, SCHEMA) as writer:
        for dataset in customers.chunks():
            table = lister.table(dataset.customer_ids, dataset.histories)
            writer.write_table(table)
            done, rows = done + len(dataset.customer_ids), rows + table.num_rows
            some += len(table["customer_id"].unique())
            if progress is not None:
                progress(done, len(customers))
    return Written(rows, some, customers.broken)
