"""Silos as places: what each carries, where its stores are, when they open, what is in stock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.seeds import rng
from recsys.silos.simulator.catalogue import Goods, brand_homes, department_names
from recsys.silos.simulator.config import SiloKind, SiloSpec, WorldConfig
from recsys.silos.simulator.lexicon import BRANDS

CITY = (52.09, 5.12)  # latitude and longitude of the middle of the invented city
CITY_RADIUS = 0.07  # degrees, sd
OUT_OF_STOCK = 0.06
STORES_OF_AREA = 2
LEADERS = 0.9  # items above this quantile of attractiveness are carried by every store group
QUARTERS = ("Centre", "Harbour", "Hill", "Park", "Station", "West", "East", "Old Town", "Bridge", "Garden")


@dataclass(frozen=True)
class Place:
    """One silo's public side.

    shelf:         int64 [m], the items carried, ascending
    latitude, longitude, opens, closes: [stores]; degrees, and minutes after midnight
    price_level:   factor on the catalogue's prices
    """

    spec: SiloSpec
    code: int
    shelf: NDArray[np.int64]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    price_level: float

    @property
    def name(self) -> str:
        """The silo's name."""
        return self.spec.name

    @property
    def store_ids(self) -> list[str]:
        """Ids of the stores."""
        return [f"{self.name}-s{number + 1}" for number in range(self.spec.stores)]


def make_places(config: WorldConfig, goods: Goods) -> tuple[Place, ...]:
    """Every silo of the configuration, in its order."""
    owned = _owned_brands(config, goods)
    return tuple(_place(config, goods, code, owned) for code in range(len(config.silos)))


def _place(config: WorldConfig, goods: Goods, code: int, owned: dict[str, NDArray[np.int64]]) -> Place:
    spec = config.silos[code]
    random = rng(config.seed, "place", spec.name)
    opens = random.choice([420, 450, 480], spec.stores)
    return Place(
        spec,
        code,
        _shelf(config, goods, spec, owned),
        CITY[0] + random.normal(0, CITY_RADIUS, spec.stores),
        CITY[1] + random.normal(0, CITY_RADIUS * 1.6, spec.stores),
        opens,
        random.choice([1200, 1260, 1320], spec.stores),
        float(np.exp(random.normal(0, 0.03))),
    )


def _shelf(
    config: WorldConfig, goods: Goods, spec: SiloSpec, owned: dict[str, NDArray[np.int64]]
) -> NDArray[np.int64]:
    """A brand owner carries all of its own. A store group leaves out a part that most other groups carry."""
    if spec.kind is SiloKind.BRAND_OWNER:
        return np.flatnonzero(np.isin(goods.brand, owned[spec.name]))
    groups = [other.name for other in config.silos if other.kind is SiloKind.STORE_GROUP]
    turn = rng(config.seed, "shelves").random(len(goods)) + groups.index(spec.name) / len(groups)
    leads = goods.attractiveness >= np.quantile(goods.attractiveness, LEADERS)
    return np.flatnonzero(leads | (turn % 1 < (config.store_assortment - 1 + LEADERS) / LEADERS))


def _owned_brands(config: WorldConfig, goods: Goods) -> dict[str, NDArray[np.int64]]:
    """Brands by owner: from the owner's departments, up to its share of the catalogue; none twice."""
    homes, names, taken = brand_homes(config), department_names(), set[int]()
    items = np.bincount(goods.brand, minlength=len(BRANDS))
    owned: dict[str, NDArray[np.int64]] = {}
    for spec in (spec for spec in config.silos if spec.kind is SiloKind.BRAND_OWNER):
        at_home = np.isin(homes, [names.index(name) for name in spec.departments])
        candidates = rng(config.seed, "owner", spec.name).permutation(np.flatnonzero(at_home))
        candidates = np.array([brand for brand in candidates if int(brand) not in taken], np.int64)
        reached = np.cumsum(items[candidates]) <= config.brand_owner_share * len(goods)
        owned[spec.name] = candidates[reached]
        taken.update(int(brand) for brand in owned[spec.name])
    return owned


def stores_table(place: Place) -> pa.Table:
    """The silo's stores."""
    quarters = rng(0, "quarters", place.name).permutation(QUARTERS)
    return pa.table(
        {
            "store_id": place.store_ids,
            "name": [f"{place.name} {quarters[n % len(QUARTERS)]}" for n in range(place.spec.stores)],
            "latitude": place.latitude,
            "longitude": place.longitude,
            "opens": [_clock(minute) for minute in place.opens],
            "closes": [_clock(minute) for minute in place.closes],
            "area": _areas(place),
        }
    )


def _areas(place: Place) -> list[str]:
    """Two neighbouring stores, from west to east, make an area."""
    rank = np.argsort(np.argsort(place.longitude))
    return [f"area {number // STORES_OF_AREA + 1}" for number in rank]


def stock_table(config: WorldConfig, place: Place) -> pa.Table:
    """Units on the shelf of every store at the end of the window; a few items are out of stock."""
    random, size = rng(config.seed, "stock", place.name), (place.spec.stores, len(place.shelf))
    units = np.where(random.random(size) < OUT_OF_STOCK, 0, 1 + random.poisson(18, size))
    updated = config.start + timedelta(days=config.days) - timedelta(minutes=30)
    return pa.table(
        {
            "store_id": np.repeat(place.store_ids, len(place.shelf)),
            "item_id": [f"p{item:06d}" for item in place.shelf] * place.spec.stores,
            "quantity": units.ravel().astype(np.float64),
            "updated_at": pa.array([updated] * units.size, pa.timestamp("us", tz="UTC")),
        }
    )


def assortment_table(goods: Goods, place: Place) -> pa.Table:
    """The silo's own item table: its part of the public catalogue, at its own prices."""
    table = goods.table.take(pa.array(place.shelf))
    prices = pa.array((goods.prices[place.shelf] * place.price_level).round(2))
    return table.set_column(table.column_names.index("price"), "price", prices)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
