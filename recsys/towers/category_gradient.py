"""Gradients that items share with their category: what is learned of one item is believed of its like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.features.items import CATEGORY, ItemFeatures
from recsys.towers.two_tower import TowerConfig, table_shape


def shared_gradient(
    features: ItemFeatures, config: TowerConfig, gradient: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Each item's gradient and `gradient_shared` times the sum over its category; float32 [rows * dim].

    gradient: flat, of the whole table; rows of features keep theirs. Where single items' gradients are mostly
    noise, their categories' are not: this is the step of a model with a row per category beside each item's
    own, but nothing of it takes part in the clipping, so that items lose nothing. Steps are made from it as
    from any gradient of a quadratic norm (natural gradients: Amari 1998). Reads noised sums and the public
    catalogue alone: post-processing. Unchanged where one category holds all items.
    """
    if config.gradient_shared == 0.0:
        return gradient
    items, categories = features.rows[:, 0], features.rows[:, CATEGORY]
    if (categories == categories[0]).all():
        return gradient
    table = gradient.reshape(table_shape(features, config)).astype(np.float64)
    own = table[items]
    sums = np.zeros_like(table)
    np.add.at(sums, categories, own)
    table[items] = own + config.gradient_shared * sums[categories]
    return table.astype(np.float32).ravel()
