"""How much a customer's own pairs may weigh: all that is sent, on its grids, has the norm of the bound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.models.pair_sums import MOST_OTHERS, MOST_PAIR, Usual

BOUND = (
    1.0 - 2.0**-22
)  # of the norm: more than rounding of the sums below makes of MOST_SQUARE, for 20,000 items
MOST_SQUARE = (
    2.0**13
)  # of the parts' squared norms: where more would have to cancel, a customer sends nothing
MOST_ROUNDED = 0.125  # of the bound: where cutting could make up more, a customer sends nothing

Floats = NDArray[np.float64]


class Parts(NamedTuple):
    """What customers' pairs are centred by, on its grids.

    sends: bool [n]; k: float64 [n], how many items each customer has
    others: float64 [total], b of each item in a set; times: float64 [n], t
    """

    sends: NDArray[np.bool_]
    k: Floats
    others: Floats
    times: Floats


def fitting(rows: NDArray[np.int64], scale: Floats, own: Floats, parts: Parts, usual: Usual) -> Floats:
    """The a of every customer with which a s s' - (b u' + u b') + t u u' has the bound's norm; float64 [n].

    Norms are over the upper triangle, s is the scale of items in the set and 0 elsewhere. With
    y = b - t u / 2 what is subtracted is y u' + u y'; the squared norm is P a^2 - 2 Q a + R, of which a is
    the larger root; P, Q and R follow from sums over items. 0 for customers who send nothing.

    rows: int64 [total], the customer of each item; scale, own: float64 [total], its s and its u
    """
    n, (sends, k, others, times) = len(parts.k), parts
    second, fourth = float((usual.values**2).sum()), float((usual.values**4).sum())

    def over_items(values: Floats) -> Floats:
        return np.bincount(rows, values, n).astype(np.float64)

    half = times / 2.0
    y = others - half[rows] * own
    more = others * (others - times[rows] * own)  # y^2 less what it would be without the item
    along = over_items(others * own) - half * second
    both = over_items(more * own**2) + half**2 * fourth
    r = (over_items(more) + half**2 * second) * second + along**2 - 2.0 * both
    q = over_items(scale * y) * over_items(scale * own) - over_items(scale**2 * y * own)
    p = np.where(sends, (over_items(scale**2) ** 2 - over_items(scale**4)) / 2.0, 1.0)
    rounded = usual.rounded(k, times)
    root = q**2 + p * ((BOUND - rounded) ** 2 - r)
    a = np.where(sends & (root > 0.0), (q + np.sqrt(np.maximum(root, 0.0))) / p, 0.0)
    largest = np.zeros(n)
    np.maximum.at(largest, rows, scale)
    held = (a * largest**2 <= MOST_PAIR) & (a**2 * p + r <= MOST_SQUARE) & (rounded <= MOST_ROUNDED)
    most = np.zeros(n)
    np.maximum.at(most, rows, others)
    return np.where(held & (a > 0.0) & (most <= MOST_OTHERS), a, 0.0)
