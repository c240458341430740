"""How long the stock of a silo lasts: units on hand against the units that are expected to be sold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.areas import area_codes
from recsys.data.history import SECONDS_PER_DAY
from recsys.data.vocab import Catalogue
from recsys.models.demand_forecast import DemandModel

DELIVERED = 7 * SECONDS_PER_DAY
"""What is needed later than so much ahead is not warned of: shelves will have been filled by then."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """Of every item, how long it can be had if nothing is delivered.

    lasts: float64 [n_items], days from the count on until the units in the area that has them longest are
    sold; inf where stock or sales are unknown. counted_at: Unix seconds of the newest count; None: now
    """

    lasts: NDArray[np.float64]
    counted_at: int | None

    @classmethod
    def of(
        cls, model: DemandModel | None, silo: str, catalogue: Catalogue, stores: pa.Table, stock: pa.Table
    ) -> Outlook | None:
        """From the silo's checked stores and stock; None without either a forecast of the silo or stock."""
        if model is None or silo not in model.silos or not stock.num_rows:
            return None
        forecast = model.forecast(silo, 1.0)
        areas, n = len(forecast.areas), len(catalogue)
        codes, items = area_codes(stock["store_id"], stores), catalogue.indices(stock["item_id"])
        known = (items >= 0) & (codes < areas)
        cells = codes[known].astype(np.int64) * n + items[known]
        units = np.nan_to_num(np.asarray(stock["quantity"].to_numpy(), np.float64))[known]
        on_hand = np.bincount(cells, units, minlength=areas * n).reshape(areas, n)
        listed = np.bincount(cells, minlength=areas * n).reshape(areas, n) > 0
        sold = forecast.expected
        lasts = np.where(sold > 0.0, on_hand / np.where(sold > 0.0, sold, 1.0), np.inf)
        longest = np.where(listed, lasts, 0.0).max(axis=0)
        newest = pc.max(stock["updated_at"]).as_py()
        return cls(
            np.where(listed.any(axis=0), longest, np.inf),
            None if newest is None else int(newest.timestamp()),
        )

    def out_by(self, item: int, when: int, now: int) -> bool:
        """Whether the item is expected to be sold out at a moment within the next week (Unix seconds)."""
        begin = now if self.counted_at is None else min(self.counted_at, now)
        return now < when <= now + DELIVERED and when > begin + self.lasts[item] * SECONDS_PER_DAY
