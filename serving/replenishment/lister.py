"""The rows of a due list: the same for the file of a whole silo and for a page of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.replenishment import IntervalModel
from recsys.recommend.due import bases, due_items, past
from serving.replenishment.flags import dormant, price_sensitive
from serving.replenishment.rows import CHANCES, Question, columns, ranked, selected

_MOMENT = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("item_id", pa.string()),
        ("rank", pa.int32()),
        *((name, _MOMENT) for name in ("expected_at", "low", "high")),
        ("remind_on", pa.date32()),
        *((name, pa.float64()) for name in CHANCES),
        ("basis", pa.string()),
        *((name, pa.bool_()) for name in ("price_sensitive", "dormant", "out_of_stock")),
    ]
)


@dataclass(frozen=True, eq=False)
class Lister:
    """Makes the rows of any customers of one silo, for a file or a page.

    sold, available: bool [n_items], see `Assortment`; tiers: int64 [n_items], `price_tiers` of the catalogue
    log_popularity: float32 [n_items], published
    """

    model: IntervalModel
    question: Question
    sold: NDArray[np.bool_]
    available: NDArray[np.bool_]
    tiers: NDArray[np.int64]
    log_popularity: NDArray[np.float32]

    def table(self, customer_ids: Sequence[str], histories: Histories) -> pa.Table:
        """Rows as in SCHEMA: the customers in the order given, each one's items by rank."""
        h = past(histories, self.question.now)
        found = selected(due_items(self.model, h, self.question.now), self.question, self.sold)
        found, rank = ranked(found, self.question, h, self.log_popularity)
        needs, ids = found.needs, pa.array(customer_ids, pa.string())
        basis, texts = bases(found, self.model.catalogue)
        values = columns(found, self.question)
        moments = {name: pa.array(values[name] * 1_000, _MOMENT) for name in ("expected_at", "low", "high")}
        return pa.table(
            {
                "customer_id": ids.take(pa.array(needs.customers)),
                "item_id": self._item_ids.take(pa.array(needs.items)),
                "rank": pa.array(rank, pa.int32()),
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

    @cached_property
    def _item_ids(self) -> pa.Array:
        return pa.array(self.model.catalogue.item_ids, pa.string())
