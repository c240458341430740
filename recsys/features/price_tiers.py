"""How dear an item is for its kind: price per unit of content, ranked within its category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue

TIERS = 10
NO_TIER = -1


def price_tiers(catalogue: Catalogue) -> NDArray[np.int64]:
    """Tier 0 (cheapest) to 9 of every item within its category; int64 [n_items], -1 where no price is known.

    Items are ranked by price per unit of pack size, by price alone where the pack size is unknown; ties go to
    the lower position. Each category fills its tiers evenly. Reads the public catalogue alone.
    """
    tiers = np.full(len(catalogue), NO_TIER, np.int64)
    known = np.flatnonzero(np.nan_to_num(catalogue.prices, nan=0.0) > 0.0)
    if not len(known):
        return tiers
    sizes = np.nan_to_num(catalogue.pack_sizes[known].astype(np.float64), nan=0.0)
    per_unit = catalogue.prices[known] / np.where(sizes > 0.0, sizes, 1.0)
    groups = catalogue.category_codes[0][known]
    order = np.lexsort((per_unit, groups))
    _, first, counts = np.unique(groups[order], return_index=True, return_counts=True)
    rank = np.arange(len(known)) - np.repeat(first, counts)
    tiers[known[order]] = rank * TIERS // np.repeat(counts, counts)
    return tiers
