"""How much more often than by chance two items share a customer, estimated from noised pair sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.models.cells import PairCells
from recsys.models.copurchase import CENTRING, PairScope
from recsys.models.shrinkage import low_rank, shrink_cells

RANK = 15
LEAST_LIFT = 0.05
CLEAR, VISIBLE = 20.0, 3.0  # standard deviations of noise
SAMPLING_STD = 0.3  # what sampling alone leaves in a cell where no noise was added


@dataclass(frozen=True)
class Lifts:
    """How often pairs of a scope's m items are bought together, over how often by chance.

    lift: float32 [m, m], symmetric, at least 0, 1 on the diagonal
    share: float64 [m], the items' popularity, adding up to 1
    total: the sum of all pair values, both triangles, as if all scales were 1: pairs of i and j are expected
        total x share_i x share_j times by chance
    """

    lift: NDArray[np.float32]
    share: NDArray[np.float64]
    total: float

    @property
    def log_lift(self) -> NDArray[np.float32]:
        """log(lift), 0 on the diagonal; float32 [m, m]."""
        out = np.maximum(self.lift, np.float32(LEAST_LIFT))
        np.log(out, out=out)
        return out


def estimate_lifts(
    noised: NDArray[np.float64],
    noise_std: float,
    scope: PairScope,
    categories: NDArray[np.int32],
) -> Lifts:
    """Independence, then category pairs, then a low-rank correction, then single pairs: each shrunk.

    Centring on popularity and shrinking in units of lift carry most of the quality; single pairs are shrunk
    apart within and across categories. Post-processing of published numbers: costs no privacy.

    noised: [scope.n_pairs], the noised sum; noise_std: of each cell; categories: int32 [n_items], -1 where
    unknown
    """
    values = np.nan_to_num(np.asarray(noised, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    d = scope.share * scope.scale
    cells = PairCells(scope)
    chance = d[cells.first] * d[cells.second]
    std = max(noise_std, SAMPLING_STD)
    left = (1.0 - CENTRING) ** 2  # what centring leaves of the expected part
    total = _total(values, chance, std) / left
    lift = np.ones((len(d), len(d)), np.float32)
    if total == 0.0:
        return Lifts(lift, scope.share, 1.0)
    expected = total * chance
    values += (1.0 - left) * expected
    lift = _block_lifts(values, expected, std, cells, categories[scope.items])
    scale = np.sqrt(total) * d
    lift += low_rank(cells, values - expected * lift[cells.first, cells.second], scale, std, RANK)
    np.maximum(lift, np.float32(0.02), out=lift)
    rest = values - expected * lift[cells.first, cells.second]
    same = categories[scope.items[cells.first]] == categories[scope.items[cells.second]]
    single = shrink_cells(rest, expected, std, same.astype(np.int64))
    single /= np.where(expected > 0.0, expected, np.inf)
    found = np.maximum(lift[cells.first, cells.second] + single, 0.0)
    lift[cells.first, cells.second] = found
    lift[cells.second, cells.first] = found
    np.fill_diagonal(lift, 1.0)
    return Lifts(lift, scope.share, total)


def _total(values: NDArray[np.float64], chance: NDArray[np.float64], std: float) -> float:
    """The sum of all pair values per squared popularity; 0 where the noise leaves nothing of it.

    The plain sum where it stands clear of its noise, else least squares, which rests on popular pairs.
    """
    plain, plain_error = values.sum(), std * np.sqrt(values.size)
    if plain > CLEAR * plain_error:
        return float(plain / chance.sum())
    fitted, fitted_error = np.vdot(chance, values), std * np.sqrt(np.vdot(chance, chance))
    return float(fitted / np.vdot(chance, chance)) if fitted > VISIBLE * fitted_error else 0.0


def _block_lifts(
    values: NDArray[np.float64],
    expected: NDArray[np.float64],
    std: float,
    cells: PairCells,
    categories: NDArray[np.int32],
) -> NDArray[np.float32]:
    """The lift of the two items' pair of categories, shrunk to 1 (Morris 1983); float32 [m, m]."""
    codes = np.unique(categories, return_inverse=True)[1]
    k = int(codes.max()) + 1
    pair = codes[cells.first] * k + codes[cells.second]

    def blocks(of: NDArray[np.float64] | None) -> NDArray[np.float64]:
        sums = np.bincount(pair, of, k * k).reshape(k, k)
        return np.asarray(sums + sums.T)

    seen, chance = blocks(values), blocks(expected)
    counted = np.maximum(blocks(None), 1.0)
    possible = chance > 0.0
    chance = np.where(possible, chance, 1.0)
    lift = np.where(possible, seen / chance, 1.0)
    error = (std**2 * counted / chance**2 + 1.0 / chance) * (1.0 + np.eye(k))
    spread = _spread((lift - 1.0)[possible], error[possible])
    shrunk = 1.0 + np.where(possible, spread / (spread + error), 0.0) * (lift - 1.0)
    return np.asarray(np.maximum(shrunk, LEAST_LIFT).astype(np.float32)[codes][:, codes])


def _spread(deviations: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """Variance of the true deviations, by moments weighted with their precision."""
    spread = 1.0
    for _ in range(20):
        trust = 1.0 / (spread + errors) ** 2
        spread = max(1e-4, float(trust @ (deviations**2 - errors) / trust.sum()))
    return spread
