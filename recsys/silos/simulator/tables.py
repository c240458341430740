"""A chunk's shopping as the tables of the data contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.contracts import CONTRACTS, Table
from recsys.data.history import SECONDS_PER_DAY, EventType
from recsys.seeds import rng
from recsys.silos.simulator.catalogue import Goods
from recsys.silos.simulator.config import DAYS_PER_WEEK, SiloKind, WorldConfig
from recsys.silos.simulator.people import People, pseudonyms
from recsys.silos.simulator.places import Place
from recsys.silos.simulator.shopping import Shopping
from recsys.silos.simulator.trips import Members

APP_ORDERS = {SiloKind.STORE_GROUP: 0.15, SiloKind.BRAND_OWNER: 0.55}
PROMOTED = 0.05  # share of items on offer in a week
PROMOTION = 0.8  # price factor; offers do not change what persons buy
_PAID = (EventType.PURCHASE.code, EventType.RETURN.code)


def customer_ids(config: WorldConfig, people: People, place: Place, members: Members) -> list[str]:
    """The members' ids in this silo: unlike those of any other silo, and unlike the person key."""
    numbers = people.index[members.rows]
    return [f"c{number}" for number in pseudonyms(config.seed, f"customer/{place.name}", numbers)]


def person_keys(config: WorldConfig, people: People, rows: NDArray[np.int64]) -> list[str | None]:
    """The agreed pseudonymous keys, None where a person agreed to none."""
    keys = pseudonyms(config.seed, "person key", people.index[rows])
    return [key if agreed else None for key, agreed in zip(keys, people.keyed[rows], strict=True)]


def customers_table(
    config: WorldConfig, people: People, place: Place, members: Members, chunk: int
) -> pa.Table:
    """The silo's customers in this chunk, with keys, ranks and consents."""
    random = rng(config.seed, "consent", place.name, chunk)
    keyed = people.keyed[members.rows]
    return pa.table(
        {
            "customer_id": customer_ids(config, people, place, members),
            "person_key": pa.array(person_keys(config, people, members.rows), pa.string()),
            "person_rank": pa.array(members.rank, pa.int64(), mask=~keyed),
            "consent_training": random.random(len(members)) < config.consent_training,
            "consent_personalisation": random.random(len(members)) < config.consent_personalisation,
        },
        schema=CONTRACTS[Table.CUSTOMERS].schema,
    )


def interactions_table(
    config: WorldConfig, goods: Goods, people: People, shopping: Shopping, chunk: int
) -> pa.Table:
    """The silo's events in this chunk, by customer and time."""
    place, lines, trips = shopping.place, shopping.lines, shopping.trips
    random = rng(config.seed, "tables", place.name, chunk)
    day, store = trips.day[lines.trip], trips.store[lines.trip]
    ids = customer_ids(config, people, place, shopping.members)
    paid = np.isin(lines.event, _PAID)
    columns = {
        "event_id": _numbered(f"{place.name}-e{chunk}-", np.arange(len(lines))),
        "customer_id": _words(ids, lines.member),
        "item_id": pc.take(goods.table["item_id"].combine_chunks(), pa.array(lines.item)),
        "event": _words([event.value for event in EventType], lines.event),
        "quantity": lines.units.astype(np.float64),
        "price": _prices(config, goods, place, lines.item, day),
        "timestamp": _timestamps(config, day, lines.minute),
        "order_no": pa.nulls(len(lines), pa.int64()),
        "store_id": _words(place.store_ids, store),
        "order_id": pc.if_else(pa.array(paid), _numbered(f"{place.name}-o{chunk}-", lines.trip), None),
        "channel": _channels(place, len(trips), lines.trip, paid, random),
    }
    return pa.table(columns, schema=CONTRACTS[Table.INTERACTIONS].schema)


def _words(words: list[str], codes: NDArray[np.int64] | NDArray[np.int8]) -> pa.Array:
    return pc.take(pa.array(words, pa.string()), pa.array(codes))


def _numbered(prefix: str, numbers: NDArray[np.int64]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _prices(
    config: WorldConfig, goods: Goods, place: Place, item: NDArray[np.int64], day: NDArray[np.int64]
) -> NDArray[np.float64]:
    offers = rng(config.seed, "offers", place.name).random((len(goods), config.weeks)) < PROMOTED
    factor = np.where(offers[item, day // DAYS_PER_WEEK], PROMOTION, 1.0) * place.price_level
    return np.round(goods.prices[item] * factor, 2)


def _timestamps(config: WorldConfig, day: NDArray[np.int64], minute: NDArray[np.int64]) -> pa.Array:
    start = int(config.start.timestamp())
    seconds = start + day * SECONDS_PER_DAY + minute * 60
    return pa.array(seconds * 1_000_000).cast(pa.timestamp("us", tz="UTC"))


def _channels(
    place: Place,
    trips: int,
    trip: NDArray[np.int64],
    paid: NDArray[np.bool_],
    random: np.random.Generator,
) -> pa.Array:
    """Orders are made in the store or in the app; looking, carting and rating happen in the app."""
    in_app = random.random(trips) < APP_ORDERS[place.spec.kind]
    return _words(["store", "app"], np.where(paid, in_app[trip], True).astype(np.int8))
