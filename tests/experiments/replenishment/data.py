"""A small shop whose customers have rhythms."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400


def write_shop(folder: Path, *, customers: int = 80, days: int = 160, **columns: object) -> Path:
    """Purchases with gaps of some days, half of the customers leaving; columns replace, None drops."""
    random = np.random.default_rng(0)
    rows = []
    for customer in range(customers):
        leaves = days if customer % 2 else int(random.integers(40, days))
        for item in random.choice(30, 5, replace=False):
            day = float(random.integers(0, 20))
            rhythm = float(random.uniform(4, 40))
            while day < leaves:
                rows.append((customer, int(item), int(day) * DAY + 36_000))
                day += rhythm * random.lognormal(0.0, 0.3)
    who, what, when = (np.array(column) for column in zip(*rows, strict=True))
    made: dict[str, object] = {"customer_id": who, "item_id": what, "timestamp": when} | columns
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: values for name, values in made.items() if values is not None}
    pq.write_table(pa.table(kept), folder / "transactions.parquet")
    return folder
