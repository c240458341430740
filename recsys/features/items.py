"""Items as rows of one combined embedding table: the item itself, its brand, category and department."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue


class ItemFeatures(NamedTuple):
    """rows: int64 [n_items, 4], rows of the combined table (item, brand, category, department);
    table_size: number of rows of the table."""

    rows: NDArray[np.int64]
    table_size: int


def item_features(catalogue: Catalogue) -> ItemFeatures:
    """Rows 0..n-1 are the items, then brands, categories and departments in alphabetical order.

    Items without a brand (category, department) share the row of the empty name. Reads the public catalogue
    alone.
    """
    columns = [np.arange(len(catalogue), dtype=np.int64)]
    size = len(catalogue)
    for names in (catalogue.brands, catalogue.categories, catalogue.departments):
        values, codes = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
        columns.append(codes.astype(np.int64) + size)
        size += len(values)
    return ItemFeatures(np.stack(columns, axis=1), size)
