"""Two facts about a customer that a campaign may use for a coupon; never a price of the customer's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.features.price_tiers import NO_TIER

CHEAP_TIER, CHEAP_SHARE, LEAST_PURCHASES = 3, 0.6, 5
DORMANT_DAYS, DORMANT_GAPS, DORMANT_ONCE = 60, 3.0, 180


def price_sensitive(h: Histories, tiers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Who buys mostly what is cheap for its kind: at least 60 % of 5 or more purchases; bool [customers].

    tiers: int64 [n_items], `price_tiers` of the public catalogue; cheap are the lowest three of ten.
    Purchases of items without a public price do not count.
    """
    bought = h.purchases()
    tier = tiers[bought.items]
    rows, tier = bought.rows[tier != NO_TIER], tier[tier != NO_TIER]
    known = np.bincount(rows, minlength=len(h))
    cheap = np.bincount(rows[tier < CHEAP_TIER], minlength=len(h))
    return np.asarray((known >= LEAST_PURCHASES) & (cheap >= CHEAP_SHARE * known))


def dormant(h: Histories, now: int) -> NDArray[np.bool_]:
    """Who stopped coming: bought before, but not for 60 days and three of the own gaps; bool [customers].

    The own gap is the mean between days with purchases; after a single one, 180 days count as dormant.
    now: Unix seconds. Raises OrderingError without timestamps or order.
    """
    bought = h.purchases()
    rows, days = bought.rows, bought.baskets()
    new = np.ones(len(rows), np.bool_)
    new[1:] = (rows[1:] != rows[:-1]) | (days[1:] != days[:-1])
    visits = np.bincount(rows[new], minlength=len(h))
    some = visits > 0
    days = np.append(days, 0)  # of customers without purchases: never looked at
    first, last = days[bought.offsets[:-1]], days[bought.offsets[1:] - 1]
    gap = np.where(visits > 1, (last - first) / np.maximum(visits - 1, 1), DORMANT_ONCE / DORMANT_GAPS)
    away = (now + h.utc_offset_seconds) // 86_400 - last
    return np.asarray(some & (away > np.maximum(DORMANT_DAYS, DORMANT_GAPS * gap)))
