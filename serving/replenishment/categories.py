"""Needs of a whole category, where a customer buys now this and now that item of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.data.vocab import Catalogue
from recsys.models.intervals import consumables
from recsys.models.replenishment import IntervalModel
from recsys.recommend.due import NO_SIGNAL, DueItems

LEAST_ITEMS, LEAST_DAYS = 2, 3


@dataclass(frozen=True)
class CategoryNeeds:
    """Categories that are due, and what stands for them.

    found:    a pair for each category; its item merely stands for the category
    members:  by pair, the customer's own items of the category, most often bought first
    """

    found: DueItems
    members: dict[int, NDArray[np.int32]]


def category_needs(model: IntervalModel, h: Histories, now: int, without: NDArray[np.int32]) -> CategoryNeeds:
    """When one customer needs something of a category again, all items of it taken together.

    Of categories with at least 2 different consumables that were bought, on 3 days in all. Each of them is
    counted as one item, the one bought most often, in packs of that item's size; the model is the same.
    without: int32 [items], items that count for nothing (turned down).

    Raises OrderingError without timestamps.
    """
    h = h.purchases()
    codes, names = model.catalogue.category_codes
    named = np.array([bool(name) for name in names])
    counted = consumables(model.catalogue)[h.items] & named[codes[h.items]] & ~np.isin(h.items, without)
    days, code = h.baskets(), np.where(counted, codes[h.items], -1)
    items, units, members = h.items.copy(), h.quantities.copy(), dict[int, NDArray[np.int32]]()
    for category in np.unique(code[counted]):
        rows = code == category
        own, counts = np.unique(h.items[rows], return_counts=True)
        if len(own) < LEAST_ITEMS or len(np.unique(days[rows])) < LEAST_DAYS:
            continue
        own = own[np.argsort(-counts, kind="stable")]
        units[rows] *= packs_of(model.catalogue, h.items[rows], int(own[0]))
        items[rows], members[int(own[0])] = own[0], own
    counted_alike = replace(h, items=items, quantities=units)  # all purchases: a model may look at visits too
    needs = model.needs(counted_alike, now)
    needs = needs.where(np.isin(needs.items, list(members)))
    blank = np.full(len(needs), NO_SIGNAL), np.zeros(len(needs), np.bool_)
    return CategoryNeeds(DueItems(needs, *blank), members)


def packs_of(catalogue: Catalogue, items: NDArray[np.int32], other: int) -> NDArray[np.float64]:
    """What one pack of each item is of the other item's; float64 [items], 1 where that cannot be compared."""
    sizes, units = catalogue.pack_sizes.astype(np.float64), catalogue.pack_units
    alike = np.array([bool(units) and units[item] == units[other] != "" for item in items.tolist()], bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        packs = sizes[items] / sizes[other]
    return np.where(alike & np.isfinite(packs) & (packs > 0.0), packs, 1.0)
