"""What having one item says about wanting another: factors that add to log popularity, and neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.models.copurchase import PairScope
from recsys.models.lifts import Lifts, estimate_lifts
from recsys.models.shrinkage import top_components

LIFT_WEIGHT = 0.5
REGRESSION_WEIGHT = 0.3
RIDGE_PER_NOISE = 40.0
LEAST_RIDGE = 12.0
SET_SIZE = 5.0
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
    popularity: NDArray[np.float64],
    scope: PairScope,
    categories: NDArray[np.int32],
    *,
    rank: int = 48,
    neighbours: int = 20,
    set_size: float = SET_SIZE,
) -> Affinity:
    """The co-purchase model that the noised pair sums support. Post-processing: costs no privacy.

    Shrunk lifts give log lifts, and the weights of a linear item-to-item model (EASE, Steck 2019, on the
    centred estimate); their fixed blend is cut to `rank` by a decomposition weighted with popularity. Items
    outside the scope take the average factors of their category, and have no neighbours.

    noised: [scope.n_pairs], sum over silos; noise_std: of each of its cells; popularity: published
    probabilities [n_items]; categories: int32 [n_items], -1 where unknown; set_size: public constant near the
    number of items per customer, which sets the ridge; too small does less harm than too large
    """
    found = estimate_lifts(noised, noise_std, popularity, scope, categories)
    share = popularity[scope.items]
    weights = _blend(found, share, max(LEAST_RIDGE, RIDGE_PER_NOISE * noise_std), set_size)
    row, column = np.sqrt(share / share.max())[:, None], (share / share.max())[:, None] ** 0.25
    u, s, v = top_components(row * weights * column.T, rank)
    history = _spread_out(u * np.sqrt(s) / row, scope, share, categories)
    candidates = _spread_out(v * np.sqrt(s) / column, scope, share, categories)
    near, lifts = _neighbours(found, scope, neighbours, noise_std)
    return Affinity(history.astype(np.float32), candidates.astype(np.float32), near, lifts)


def _blend(found: Lifts, share: NDArray[np.float64], ridge: float, set_size: float) -> NDArray[np.float64]:
    """Log lifts and standardised regression weights, the latter on the scale of the former; [m, m].

    Centred so that over items drawn by popularity every candidate gains nothing: popularity is counted once.
    """
    log_lift = found.log_lift
    regression = _regression(found, share, ridge, set_size) / np.sqrt(share)
    scale = _rms(log_lift, share) / max(_rms(regression, share), TINY)
    weights = LIFT_WEIGHT * log_lift + REGRESSION_WEIGHT * scale * regression
    p = share / share.sum()
    weights -= p @ weights / (1.0 - p)
    np.fill_diagonal(weights, 0.0)
    return weights


def _regression(
    found: Lifts, share: NDArray[np.float64], ridge: float, set_size: float
) -> NDArray[np.float64]:
    """Weights B [m, m], zero diagonal, of each item on all others: B_ij = -P_ij / P_jj, P = inverse of the
    regularised covariance of purchases (Steck 2019)."""
    covariance = found.estimated - found.expected
    np.fill_diagonal(covariance, found.total / set_size * share + ridge)
    precision = np.linalg.inv(covariance)
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def _rms(matrix: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """Root mean square over pairs drawn by popularity."""
    p = share / share.sum()
    return float(np.sqrt(p @ (matrix**2) @ p))


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
    raised = 2.0 * max(noise_std, 1.0) / np.outer(scope.scale, scope.scale)
    lift = np.minimum((found.estimated + raised) / (found.expected + raised), MOST_LIFT)
    np.fill_diagonal(lift, 0.0)
    width = min(many, len(lift))
    order = np.argsort(-lift, axis=1, kind="stable")[:, :width]
    strongest = np.take_along_axis(lift, order, axis=1)
    real = strongest > LEAST_LIFT
    neighbours = np.full((scope.n_items, many), NO_ITEM, np.int32)
    lifts = np.zeros((scope.n_items, many), np.float32)
    neighbours[scope.items, :width] = np.where(real, scope.items[order], NO_ITEM)
    lifts[scope.items, :width] = np.where(real, strongest, 0.0)
    return neighbours, lifts
