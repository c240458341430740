"""The rows of a forecast: the same for a file and for a page of the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.models.demand_forecast import DemandModel

SCHEMA = pa.schema(
    [
        ("silo", pa.string()),
        ("area", pa.string()),
        ("item_id", pa.string()),
        ("days", pa.float64()),
        *((name, pa.float64()) for name in ("expected", "low", "high")),
    ]
)


def tables(
    model: DemandModel,
    item_ids: Sequence[str],
    silo: str,
    days: Sequence[float],
    carried: NDArray[np.bool_],
    *,
    share: float = 1.0,
) -> Iterator[pa.Table]:
    """Rows as in SCHEMA, area by area and horizon by horizon, of the carried items (bool [n_items]).

    share: of all units sold, those of the customers that the forecast is made of; units are divided by it.
    An area that sells nothing has no rows. Raises ConfigError for an unknown silo or impossible days.
    """
    ids = np.array(item_ids)
    for horizon in days:
        forecast = model.forecast(silo, horizon)
        for row, area in enumerate(forecast.areas):
            kept = carried & (forecast.expected[row] > 0.0)
            units = {name: getattr(forecast, name)[row][kept] / share for name in ("expected", "low", "high")}
            count = int(kept.sum())
            if count:
                columns = {"silo": [silo] * count, "area": [area] * count, "item_id": ids[kept]}
                yield pa.table({**columns, "days": np.full(count, horizon), **units}, schema=SCHEMA)
