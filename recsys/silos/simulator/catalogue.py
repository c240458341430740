"""The public catalogue: brands, items, packs, prices, titles, and how attractive each item is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.seeds import rng
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.lexicon import BRANDS, CATEGORIES, Category

STYLE_DIMENSIONS = 6  # the first three have names (see lexicon.Segment), the others are taste without a name
CATEGORIES_PER_BRAND = 4
OWN_DEPARTMENT = 0.8  # share of a brand's categories that lie in its home department
PACK_EXPONENT = 0.9  # a double pack lasts 2 ** 0.9 times as long
TIER_PRICE = 0.22  # log price per step of price tier

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Goods:
    """The items of the world, in the order of their ids. `table` is public; the rest is hidden truth.

    category, brand: int32 [n], positions in CATEGORIES and BRANDS
    style:           float32 [n, STYLE_DIMENSIONS], what persons' styles respond to
    attractiveness:  float32 [n], demand of an item before any taste
    cycle_days:      float32 [n], days that one unit lasts a household of two
    """

    table: pa.Table
    category: NDArray[np.int32]
    brand: NDArray[np.int32]
    style: FloatArray
    attractiveness: FloatArray
    cycle_days: FloatArray
    prices: NDArray[np.float64]
    consumable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.category)


@dataclass(frozen=True)
class _Item:
    category: int
    brand: int
    variant: int
    pack: int
    edition: int


def make_catalogue(config: WorldConfig) -> Goods:
    """Every item of the world, from the configuration alone."""
    items = list(_items(config))
    brand_style, brand_strength = _brand_character(config)
    category = np.array([item.category for item in items], np.int32)
    brand = np.array([item.brand for item in items], np.int32)
    random = rng(config.seed, "items")
    style = brand_style[brand] + random.normal(0, 0.6, (len(items), STYLE_DIMENSIONS))
    style *= config.style_strength / np.sqrt((style**2).mean(0).sum())
    log_weight = random.normal(0, config.item_spread, len(items)) + brand_strength[brand]
    prices = _prices(items, style[:, 0], random)
    return Goods(
        _table(items, prices),
        category,
        brand,
        style.astype(np.float32),
        _demand(np.exp(log_weight), category, config.leader_share),
        _cycles(items),
        prices,
        np.array([CATEGORIES[c].consumable for c in category]),
    )


def brand_homes(config: WorldConfig) -> NDArray[np.int32]:
    """The home department of every brand, as the position in `department_names`; int32 [brands]."""
    departments = list(dict.fromkeys(c.department for c in CATEGORIES))
    sizes = np.array([sum(c.breadth for c in CATEGORIES if c.department == name) for name in departments])
    quota = np.floor(np.arange(1, len(BRANDS) + 1) / len(BRANDS) * sizes.sum() - 1e-9)
    homes = np.minimum(np.searchsorted(np.cumsum(sizes), quota, side="right"), len(departments) - 1)
    return rng(config.seed, "brand homes").permutation(homes).astype(np.int32)


def department_names() -> tuple[str, ...]:
    """The departments in the order of the categories."""
    return tuple(dict.fromkeys(c.department for c in CATEGORIES))


def _brands_of_categories(config: WorldConfig) -> list[list[int]]:
    """Which brands sell in which category: some of the home department's, now and then one elsewhere."""
    random, homes, names = rng(config.seed, "brand spans"), brand_homes(config), department_names()
    brands: list[list[int]] = [[] for _ in CATEGORIES]
    department = np.array([names.index(c.department) for c in CATEGORIES])
    for brand in random.permutation(len(BRANDS)):
        near = np.where(department == homes[brand], OWN_DEPARTMENT, 0.2 / len(CATEGORIES))
        crowding = 1.0 / (1 + np.array([len(b) for b in brands])) ** 2
        weight = near * crowding
        for c in random.choice(len(CATEGORIES), CATEGORIES_PER_BRAND, replace=False, p=weight / weight.sum()):
            brands[c].append(int(brand))
    return [found or [int(random.integers(len(BRANDS)))] for found in brands]


def _items(config: WorldConfig) -> Iterator[_Item]:
    breadth = np.array([c.breadth * np.sqrt(c.appeal) for c in CATEGORIES])
    edges = np.rint(np.concatenate([[0], np.cumsum(breadth)]) / breadth.sum() * config.n_items).astype(int)
    for c, (brands, count) in enumerate(zip(_brands_of_categories(config), np.diff(edges), strict=True)):
        category, random = CATEGORIES[c], rng(config.seed, "items of", CATEGORIES[c].name)
        shape = (len(brands), len(category.variants), len(category.packs))
        for edition in range(-(-int(count) // int(np.prod(shape)))):
            left = int(count) - edition * int(np.prod(shape))
            for cell in np.sort(random.permutation(np.prod(shape))[:left]):
                b, variant, pack = np.unravel_index(cell, shape)
                yield _Item(c, brands[b], int(variant), int(pack), edition)


def _brand_character(config: WorldConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = rng(config.seed, "brands")
    style = random.normal(0, 1, (len(BRANDS), STYLE_DIMENSIONS))
    return style, random.normal(0, config.brand_spread, len(BRANDS))


def _demand(weight: NDArray[np.float64], category: NDArray[np.int32], leader_share: float) -> FloatArray:
    """Spread each category's appeal over its items; the strongest one leads by an extra share."""
    appeal = np.array([c.appeal for c in CATEGORIES])
    total = np.bincount(category, weights=weight, minlength=len(CATEGORIES))
    share = (1 - leader_share) * weight / total[category]
    strongest = np.lexsort((weight, category))[np.cumsum(np.bincount(category)) - 1]
    share[strongest] += leader_share
    demand: FloatArray = (share * appeal[category]).astype(np.float32)
    return demand


def _relative_pack(item: _Item) -> float:
    packs = CATEGORIES[item.category].packs
    return packs[item.pack] / packs[1]


def _cycles(items: list[_Item]) -> FloatArray:
    days = [CATEGORIES[item.category].cycle * _relative_pack(item) ** PACK_EXPONENT for item in items]
    return np.array(days, np.float32)


def _prices(
    items: list[_Item], tier: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    middle = np.array([CATEGORIES[item.category].price * _relative_pack(item) ** 0.85 for item in items])
    step = np.clip(np.rint(2 * tier / max(float(tier.std()), 1e-9)), -3, 3)
    price = middle * np.exp(TIER_PRICE * step + random.normal(0, 0.05, len(items)))
    rounded: NDArray[np.float64] = np.maximum(np.rint(price * 10) / 10 - 0.01, 0.19).round(2)
    return rounded


def _table(items: list[_Item], prices: NDArray[np.float64]) -> pa.Table:
    kinds = [CATEGORIES[item.category] for item in items]
    return pa.table(
        {
            "item_id": [f"p{number:06d}" for number in range(len(items))],
            "title": [_title(item, kind) for item, kind in zip(items, kinds, strict=True)],
            "brand": [BRANDS[item.brand] for item in items],
            "category": [kind.name for kind in kinds],
            "department": [kind.department for kind in kinds],
            "pack_size": [kind.packs[item.pack] for item, kind in zip(items, kinds, strict=True)],
            "pack_unit": [kind.unit for kind in kinds],
            "price": prices,
            "consumable": [kind.consumable for kind in kinds],
        }
    )


def _title(item: _Item, category: Category) -> str:
    pack = f"{category.packs[item.pack]:g} {category.unit}"
    edition = f" No. {item.edition + 1}" if item.edition else ""
    return f"{BRANDS[item.brand]} {category.variants[item.variant]} {category.name.title()}{edition}, {pack}"
