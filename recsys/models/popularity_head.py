"""Popularity counted twice: all items, then once more only those that the first sum puts at the head.

Most of a customer's items are rare, and what they take up of the bound says little of what anybody will be
shown. In a second sum over the head alone (`recsys.models.popularity.contribution` with `among`) fewer items
share it, so each stands out more from the noise. The second sum may also weigh purchases in another way,
such as first ones and late ones above all: what is found is then that, as far as noise lets it be seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.models.popularity import posterior

LEAST_SCALE = 0.1
"""Fewer items share the norm in the second sum, so it is the larger: less than this is noise."""
SPREAD = 0.15
"""By how much (standard deviation of the logarithm) an item's share may differ between two ways to weigh
purchases: of the order of what it is between all and late first purchases, less what noise makes useless."""


def head_of(popularity: NDArray[np.float64], items: int) -> NDArray[np.bool_]:
    """The `items` most popular ones, ties to the lower position; bool [n_items]."""
    head = np.zeros(len(popularity), bool)
    head[np.argsort(-popularity, kind="stable")[:items]] = True
    return head


def combined(
    whole: NDArray[np.float64],
    again: NDArray[np.float64],
    head: NDArray[np.bool_],
    whole_std: float,
    again_std: float,
    spread: float = 0.0,
) -> NDArray[np.float64]:
    """Probabilities from both noised sums: positive, summing to 1; float64 [n_items].

    The first sum is brought to the scale of the second by the items that it is sure of; of the head both are
    averaged by their precision, and `posterior` knows how much noise is in what. Post-processing: costs no
    privacy.

    whole, again: noised sums over all items and over `head`, [n_items]; whole_std, again_std: standard
    deviation of the noise in each cell, above 0; spread: 0 where both weigh purchases alike, else by how much
    the logarithms of an item's shares in them may differ, which counts as noise of the first
    """
    found = posterior(whole, whole_std)
    sure = np.where(head, found, 0.0)
    known = float(sure @ whole)
    scale = max(float(sure @ again) / known, LEAST_SCALE) if known > 0.0 else 1.0
    values, stds = scale * whole, np.full(len(whole), scale * whole_std)
    expected = sure * max(float(again.sum()), 0.0) / max(float(sure.sum()), np.finfo(float).tiny)
    first = stds[head] ** 2 + (spread * expected[head]) ** 2
    weight = first / (first + again_std**2)
    values[head] = weight * again[head] + (1.0 - weight) * values[head]
    stds[head] = np.sqrt(weight) * again_std
    return posterior(values, stds)
