"""Items as rows of one combined embedding table: the item itself and its features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.features.price_tiers import price_tiers

CATEGORY, DEPARTMENT = 2, 3  # columns of the rows


class ItemFeatures(NamedTuple):
    """rows: int64 [n_items, 5], rows of the combined table (item, brand, category, department, price tier);
    table_size: number of rows of the table."""

    rows: NDArray[np.int64]
    table_size: int


def item_features(catalogue: Catalogue) -> ItemFeatures:
    """Rows 0..n-1 are the items, then brands, categories, departments and price tiers in order.

    Items without a brand (category, department, tier) share the row of what is unknown. Reads the
    public catalogue alone.
    """
    columns = [np.arange(len(catalogue), dtype=np.int64)]
    size = len(catalogue)
    texts = (catalogue.brands, catalogue.categories, catalogue.departments)
    for feature in (*(np.array(names, dtype=np.str_) for names in texts), price_tiers(catalogue)):
        values, codes = np.unique(feature, return_inverse=True)
        columns.append(codes.astype(np.int64) + size)
        size += len(values)
    return ItemFeatures(np.stack(columns, axis=1), size)
