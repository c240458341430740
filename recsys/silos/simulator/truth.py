"""The world's hidden truth, for judging models afterwards. Training never reads it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.silos.simulator.catalogue import Goods
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.lexicon import CATEGORIES, SEGMENTS
from recsys.silos.simulator.people import People
from recsys.silos.simulator.shopping import Shopping
from recsys.silos.simulator.tables import customer_ids
from recsys.silos.simulator.trips import NEVER

TOP_CATEGORIES = 5
UNIX_EPOCH = date(1970, 1, 1).toordinal()

CUSTOMERS_SCHEMA = pa.schema(
    [
        ("silo", pa.string()),
        ("customer_id", pa.string()),
        ("person", pa.int64()),
        ("rank", pa.int64()),
        ("share_of_trips", pa.float64()),
    ]
)
PERSONS_SCHEMA = pa.schema(
    [
        ("person", pa.int64()),
        ("segments", pa.list_(pa.string())),
        ("favourite_categories", pa.list_(pa.string())),
        ("style", pa.list_(pa.float32())),
        ("household", pa.int64()),
        ("expected_trips", pa.float64()),
        ("weekday", pa.int64()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("first_day", pa.date32()),
        ("end_day", pa.date32()),
    ]
)
STAPLES_SCHEMA = pa.schema(
    [
        ("silo", pa.string()),
        ("customer_id", pa.string()),
        ("item_id", pa.string()),
        ("cycle_days", pa.float64()),
        ("interval_days", pa.float64()),
        ("begins", pa.date32()),
        ("ends", pa.date32()),
        ("next_purchase", pa.date32()),
    ]
)


def persons_truth(config: WorldConfig, people: People) -> pa.Table:
    """Tastes and habits of a chunk's persons."""
    names, categories = [s.name for s in SEGMENTS], np.array([c.name for c in CATEGORIES])
    appeal = np.array([c.appeal for c in CATEGORIES])
    favourites = np.argsort(-people.demand * appeal, axis=1)[:, :TOP_CATEGORIES]
    return pa.table(
        {
            "person": people.index,
            "segments": [[names[s] for s in np.flatnonzero(row)] for row in people.segments],
            "favourite_categories": categories[favourites].tolist(),
            "style": list(people.style),
            "household": people.household,
            "expected_trips": people.trips,
            "weekday": people.week.argmax(axis=1),
            "latitude": people.home[:, 0],
            "longitude": people.home[:, 1],
            "first_day": _dates(config, people.first_day),
            "end_day": _dates(config, people.end_day, config.days),
        },
        schema=PERSONS_SCHEMA,
    )


def customers_truth(config: WorldConfig, people: People, shopping: Shopping) -> pa.Table:
    """Which customer of the silo is which person."""
    members = shopping.members
    return pa.table(
        {
            "silo": [shopping.place.name] * len(members),
            "customer_id": customer_ids(config, people, shopping.place, members),
            "person": people.index[members.rows],
            "rank": members.rank,
            "share_of_trips": members.share,
        },
        schema=CUSTOMERS_SCHEMA,
    )


def staples_truth(config: WorldConfig, goods: Goods, people: People, shopping: Shopping) -> pa.Table:
    """Every staple with its cycle (days per unit), expected interval, life, and next purchase."""
    staples, ids = shopping.staples, customer_ids(config, people, shopping.place, shopping.members)
    return pa.table(
        {
            "silo": [shopping.place.name] * len(staples),
            "customer_id": pa.array(ids, pa.string()).take(pa.array(staples.member)),
            "item_id": goods.table["item_id"].combine_chunks().take(pa.array(staples.item)),
            "cycle_days": staples.cycle,
            "interval_days": staples.interval,
            "begins": _dates(config, staples.begins),
            "ends": _dates(config, staples.ends, NEVER),
            "next_purchase": _dates(config, shopping.restocking.next_day, NEVER),
        },
        schema=STAPLES_SCHEMA,
    )


def _dates(config: WorldConfig, days: NDArray[np.int64], unknown_from: int | None = None) -> pa.Array:
    """Days of the window as dates; null from `unknown_from` on."""
    epoch = config.first_day.toordinal() - UNIX_EPOCH
    mask = np.zeros(len(days), bool) if unknown_from is None else days >= unknown_from
    return pa.array((np.where(mask, 0, days) + epoch).astype(np.int32), pa.int32(), mask=mask).cast(
        pa.date32()
    )
