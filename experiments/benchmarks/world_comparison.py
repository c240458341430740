"""The figures of the real set that the simulated world is calibrated on, and of the world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from experiments.benchmarks.basket_statistics import (
    Purchases,
    gap_variation,
    global_recall,
    personal_recall,
    popularity_gini,
    repeat_share,
    split_last_basket,
    weekday_habit,
)
from experiments.benchmarks.world_purchases import oracle_lift, pooled_purchases
from recsys.data.history import SECONDS_PER_DAY
from recsys.errors import ConfigError
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.world import World

REAL_SET = Path("dunnhumby_lgsr") / "transactions.parquet"
WINDOWS = 4  # windows of the world's length, counted back from the real set's last day

Figures = dict[str, float]


def load_real(folder: Path) -> Purchases:
    """The real set's distinct purchases; ConfigError says how to get on when it is not there."""
    path = folder / REAL_SET
    if not path.is_file():
        raise ConfigError(
            f"{path}: no such file; the comparison needs dunnhumby's "
            "'Let's Get Sort-of-Real' as Parquet with "
            "columns customer_id, item_id, timestamp (Unix seconds); give its parent folder with --data"
        )
    table = pq.read_table(path, columns=["customer_id", "item_id", "timestamp"])
    customer, item = (
        np.unique(table[name].to_numpy(), return_inverse=True)[1] for name in ("customer_id", "item_id")
    )
    day = table["timestamp"].to_numpy() // SECONDS_PER_DAY
    return Purchases.distinct(customer, day - day.min(), item)


def figures(purchases: Purchases) -> Figures:
    """The statistics of one set of purchases."""
    split = split_last_basket(purchases)
    everyone, personal = global_recall(split), personal_recall(split)
    return {
        "popularity Gini": popularity_gini(purchases),
        "repeat share": repeat_share(purchases),
        "personal / global recall@10": personal / everyone,
        "global recall@10": everyone,
        "personal recall@10": personal,
        "variation of re-purchase gaps": gap_variation(purchases),
        "share of busiest weekday": weekday_habit(purchases),
        "purchases per customer": len(purchases) / len(np.unique(purchases.customer)),
        "items per basket": len(purchases) / int(purchases.first_of_basket.sum()),
    }


def window_figures(purchases: Purchases, days: int) -> Figures:
    """The mean of the statistics over the last WINDOWS windows of so many days, fewer in shorter data."""
    last, parts = int(purchases.day.max()), []
    for number in range(min(WINDOWS, max(1, (last + 1) // days))):
        end = last - number * days
        parts.append(figures(purchases.where((purchases.day <= end) & (purchases.day > end - days))))
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def compare(data: Path, config: WorldConfig) -> dict[str, Figures]:
    """Real figures (whole span; windows as long as the world) and simulated ones with the oracle's."""
    real = load_real(data)
    world = World(config)
    purchases = pooled_purchases(world)
    oracle = oracle_lift(world, split_last_basket(purchases))
    hidden = {
        "oracle new-item recall@20": oracle.oracle,
        "popularity new-item recall@20": oracle.popularity,
        "oracle lift": oracle.lift,
    }
    return {
        "real": figures(real),
        "real windows": window_figures(real, config.days),
        "simulated": figures(purchases) | hidden,
    }
