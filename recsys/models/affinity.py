"""What having one item says about wanting another: factors that add to log popularity, and neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.models.copurchase import PairScope
from recsys.models.lifts import Lifts, estimate_lifts
from recsys.models.shrinkage import top_components

Form = Literal["lifts", "regression"]
LIFTS: Form = "lifts"
REGRESSION: Form = "regression"

LIFT_WEIGHT = 0.5
REGRESSION_WEIGHT = 0.3
RIDGE_PER_NOISE = 40.0
LEAST_RIDGE = 12.0
SET_SIZE = 5.0
SIZE_MARGIN, LEAST_SET_SIZE = 2.0, 2.0
ROWS_AT_ONCE = 500
LEAST_LIFT, MOST_LIFT = 1.05, 50.0  # what counts as a neighbour, and what is believed of one
NO_ITEM = -1
TINY = 1e-300


@dataclass(frozen=True)
class Affinity:
    """Published co-purchase model of n items.

    score of item j = log popularity_j + sum over the customer's items i of w_i history_i . candidates_j, with
    the weights w of `recsys.features.sequences`.

    history, candidates: float32 [n, r]; neighbours: int32 [n, m], best first, -1 where there are fewer;
    lifts: float32 [n, m], how many times more often than by chance, 0 where there is no neighbour
    """

    history: NDArray[np.float32]
    candidates: NDArray[np.float32]
    neighbours: NDArray[np.int32]
    lifts: NDArray[np.float32]


def category_groups(catalogue: Catalogue) -> NDArray[np.int32]:
    """Category number of every item, int32 [n_items], -1 where the catalogue names none."""
    codes, names = catalogue.category_codes
    return np.where(np.array([name != "" for name in names])[codes], codes, -1).astype(np.int32)


def denoise(
    noised: NDArray[np.float64],
    noise_std: float,
    scope: PairScope,
    categories: NDArray[np.int32],
    *,
    form: Form = LIFTS,
    rank: int = 256,
    neighbours: int = 20,
    customers: float | None = None,
) -> Affinity:
    """The co-purchase model that the noised pair sums support. Post-processing: costs no privacy.

    Weights from item to item, cut to `rank` by a decomposition weighted with popularity:
    form "lifts": log lifts, and the weights of a linear item-to-item model (EASE, Steck 2019) on the centred
    estimate, in a fixed blend: what a customer's items say beyond popularity, to be added to its logarithm;
    form "regression": EASE on the estimate as it is, which predicts popularity too: the better ranking of
    what is missing from a set, where a large fusion weight leaves log popularity little to say. It is scaled
    so that the scores of an average set vary over items with standard deviation 1.
    Items outside the scope take the average factors of their category, and have no neighbours.

    noised: [scope.n_pairs], sum over silos; noise_std: of each of its cells; categories: int32 [n_items], -1
    where unknown; customers: public constant, how many there are at most: with the sum of all pairs it says
    how many items one has, which sets the ridge of a regression
    """
    found = estimate_lifts(noised, noise_std, scope, categories)
    ridge = max(LEAST_RIDGE, RIDGE_PER_NOISE * noise_std)
    if form == REGRESSION:
        weights = _scaled_regression(found, ridge, _set_size(found.total, customers))
    else:
        weights = _blend(found, ridge)
    row = np.sqrt(found.share / found.share.max())
    column = np.sqrt(row)
    weights *= row[:, None].astype(np.float32)
    weights *= column.astype(np.float32)
    u, s, v = top_components(weights, rank)
    del weights
    history = _spread_out(u * np.sqrt(s) / row[:, None], scope, found.share, categories)
    candidates = _spread_out(v * np.sqrt(s) / column[:, None], scope, found.share, categories)
    near, lifts = _neighbours(found, scope, neighbours, noise_std)
    return Affinity(history.astype(np.float32), candidates.astype(np.float32), near, lifts)


def _set_size(total: float, customers: float | None) -> float:
    """The number of items per customer that a sum of pair values speaks of, on the small side.

    A customer of k items adds about sqrt(2) k to the sum of both triangles. Too small an answer does less
    harm than too large a one, which leaves the regression with little ridge.
    """
    if not customers:
        return SET_SIZE
    return max(float(total / (np.sqrt(2.0) * customers) / SIZE_MARGIN), LEAST_SET_SIZE)


def _blend(found: Lifts, ridge: float) -> NDArray[np.float32]:
    """Log lifts and standardised regression weights, the latter on the scale of the former; float32 [m, m].

    Centred so that over items drawn by popularity every candidate gains nothing: popularity is counted once.
    """
    share = found.share
    weights = _regression(found, ridge, SET_SIZE, chance=1.0)
    weights /= np.sqrt(share).astype(np.float32)
    log_lift = found.log_lift
    weights *= REGRESSION_WEIGHT * _rms(log_lift, share) / max(_rms(weights, share), TINY)
    log_lift *= LIFT_WEIGHT
    weights += log_lift
    weights -= (share @ weights / (1.0 - share)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def _scaled_regression(found: Lifts, ridge: float, set_size: float) -> NDArray[np.float32]:
    """Regression weights [m, m] that predict popularity too, on the scale of one standard deviation."""
    weights = _regression(found, ridge, set_size, chance=0.0)
    usual = np.sqrt(set_size) * (found.share @ weights)
    weights /= np.float32(max(float(usual.std()), TINY))
    return weights


def _regression(found: Lifts, ridge: float, set_size: float, *, chance: float) -> NDArray[np.float32]:
    """Weights B [m, m], zero diagonal, of each item on all others: B_ij = -P_ij / P_jj, P = inverse of the
    regularised moments of purchases less `chance` times what chance explains (Steck 2019)."""
    share = found.share.astype(np.float32)
    moments = found.lift - np.float32(chance)
    moments *= share[:, None] * np.float32(found.total)
    moments *= share
    np.fill_diagonal(moments, found.total / set_size * share + ridge)
    weights: NDArray[np.float32] = np.linalg.inv(moments)
    weights /= -np.diag(weights).copy()
    np.fill_diagonal(weights, 0.0)
    return weights


def _rms(matrix: NDArray[np.float32], share: NDArray[np.float64]) -> float:
    """Root mean square over pairs drawn by popularity."""
    return float(np.sqrt(share @ np.einsum("ij,ij,j->i", matrix, matrix, share.astype(np.float32))))


def _spread_out(
    factors: NDArray[np.float64],
    scope: PairScope,
    share: NDArray[np.float64],
    categories: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Factors of all items [n_items, r]: those of the scope, else their category's average, else zero."""
    inside = categories[scope.items]
    known = inside >= 0
    size = int(categories.max(initial=-1)) + 2
    weight = np.bincount(inside[known], share[known], minlength=size)
    sums = np.zeros((size, factors.shape[1]))
    np.add.at(sums, inside[known], share[known, None] * factors[known])
    average = sums / np.where(weight > 0.0, weight, 1.0)[:, None]
    everywhere = average[categories]  # -1 is the last row, which stays zero
    everywhere[scope.items] = factors
    return np.asarray(everywhere)


def _neighbours(
    found: Lifts, scope: PairScope, many: int, noise_std: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The `many` strongest lifts of every item of the scope, as far as they are lifts.

    Both sides of a lift are raised by two standard deviations of noise, so that rare pairs cannot shine.
    """
    neighbours = np.full((scope.n_items, many), NO_ITEM, np.int32)
    lifts = np.zeros((scope.n_items, many), np.float32)
    width = min(many, len(found.lift))
    for start in range(0, len(found.lift), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(found.lift)))
        expected = found.total * np.outer(found.share[rows], found.share)
        raised = 2.0 * max(noise_std, 1.0) / np.outer(scope.scale[rows], scope.scale)
        lift = np.minimum((expected * found.lift[rows] + raised) / (expected + raised), MOST_LIFT)
        lift[np.arange(len(rows)), rows] = 0.0
        order = np.argsort(-lift, axis=1, kind="stable")[:, :width]
        strongest = np.take_along_axis(lift, order, axis=1)
        real = strongest > LEAST_LIFT
        neighbours[scope.items[rows], :width] = np.where(real, scope.items[order], NO_ITEM)
        lifts[scope.items[rows], :width] = np.where(real, strongest, 0.0)
    return neighbours, lifts
