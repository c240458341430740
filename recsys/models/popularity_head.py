"""Popularity counted twice: all items, then once more only those that the first sum puts at the head.

Most of a customer's items are rare, and what they take up of the bound says little of what anybody will be
shown. In a second sum over the head alone fewer items share it, so each stands out more from the noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.models.popularity import contribution, posterior

LEAST_SCALE = 0.1
"""Fewer items share the norm in the second sum, so it is the larger: less than this is noise."""


def head_of(popularity: NDArray[np.float64], items: int) -> NDArray[np.bool_]:
    """The `items` most popular ones, ties to the lower position; bool [n_items]."""
    head = np.zeros(len(popularity), bool)
    head[np.argsort(-popularity, kind="stable")[:items]] = True
    return head


def head_contribution(
    h: Histories, head: NDArray[np.bool_], max_items: int, decay: float = 1.0, basket_power: float = 0.0
) -> NDArray[np.float64]:
    """`recsys.models.popularity.contribution` of the items in `head` alone; float64 [n_items], 0 elsewhere.

    Baskets without any of them do not count in the decay. Guarantee: unit one customer with all events,
    relation add or remove one: the sum changes by a vector of L2 norm at most 1, whatever the public `head`.
    """
    return contribution(h.where(head[h.items]), len(head), max_items, decay, basket_power)


def combined(
    whole: NDArray[np.float64],
    again: NDArray[np.float64],
    head: NDArray[np.bool_],
    whole_std: float,
    again_std: float,
) -> NDArray[np.float64]:
    """Probabilities from both noised sums: positive, summing to 1; float64 [n_items].

    The first sum is brought to the scale of the second by the items that it is sure of; of the head both are
    averaged by their precision, and `posterior` knows how much noise is in what. Post-processing: costs no
    privacy.

    whole, again: noised sums over all items and over `head`, [n_items]; whole_std, again_std: standard
    deviation of the noise in each cell, above 0
    """
    sure = np.where(head, posterior(whole, whole_std), 0.0)
    known = float(sure @ whole)
    scale = max(float(sure @ again) / known, LEAST_SCALE) if known > 0.0 else 1.0
    values, stds = scale * whole, np.full(len(whole), scale * whole_std)
    weight = stds[head] ** 2 / (stds[head] ** 2 + again_std**2)
    values[head] = weight * again[head] + (1.0 - weight) * values[head]
    stds[head] = np.sqrt(weight) * again_std
    return posterior(values, stds)
