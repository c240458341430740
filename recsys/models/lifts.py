"""How much more often than by chance two items share a customer, estimated from noised pair sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.models.copurchase import PairScope
from recsys.models.shrinkage import low_rank, shrink_cells

RANK = 15
LEAST_LIFT = 0.05
CLEAR, VISIBLE = 20.0, 3.0  # standard deviations of noise
SAMPLING_STD = 0.3  # what sampling alone leaves in a cell where no noise was added


@dataclass(frozen=True)
class Lifts:
    """Pair values [m, m] over a scope, symmetric with zero diagonal, as if all scales were 1.

    expected: under independence, total x p_i p_j; estimated: what the noised sums support; both at least 0
    total: the sum of all pair values of the scope, both triangles, per squared popularity
    """

    expected: NDArray[np.float64]
    estimated: NDArray[np.float64]
    total: float

    @property
    def log_lift(self) -> NDArray[np.float64]:
        """log(estimated / expected), 0 on the diagonal; float64 [m, m]."""
        out = np.zeros_like(self.expected)
        np.divide(self.estimated, self.expected, out=out, where=self.expected > 0.0)
        np.maximum(out, LEAST_LIFT, out=out)
        np.log(out, out=out)
        np.fill_diagonal(out, 0.0)
        return out


def estimate_lifts(
    noised: NDArray[np.float64],
    noise_std: float,
    popularity: NDArray[np.float64],
    scope: PairScope,
    categories: NDArray[np.int32],
) -> Lifts:
    """Independence, then category pairs, then a low-rank correction, then single pairs: each shrunk.

    Centring on popularity and shrinking in units of lift carry most of the quality. Post-processing of
    published numbers: costs no privacy.

    noised: [scope.n_pairs], the noised sum; noise_std: of each cell; popularity: published [n_items];
    categories: int32 [n_items], -1 where unknown
    """
    sums = scope.square(np.nan_to_num(np.asarray(noised, np.float64), nan=0.0, posinf=0.0, neginf=0.0))
    share = popularity[scope.items]
    d = share * scope.scale
    chance = np.outer(d, d)
    np.fill_diagonal(chance, 0.0)
    std = max(noise_std, SAMPLING_STD)
    total = _total(sums, chance, std)
    if total == 0.0:
        return Lifts(chance, chance.copy(), 1.0)
    expected = chance * total
    estimated = expected * _block_lifts(sums, expected, std, categories[scope.items])
    residual = sums - estimated
    scale = np.sqrt(total) * d
    estimated += np.outer(scale, scale) * low_rank(residual, scale, std, min(RANK, len(d)))
    np.maximum(estimated, 0.02 * expected, out=estimated)
    np.fill_diagonal(estimated, 0.0)
    upper = np.triu_indices(len(d), 1)
    single = shrink_cells((sums - estimated)[upper], expected[upper], std)
    estimated = np.maximum(estimated + scope.square(single), 0.0)
    unscaled = 1.0 / np.outer(scope.scale, scope.scale)
    return Lifts(expected * unscaled, estimated * unscaled, total)


def _total(sums: NDArray[np.float64], chance: NDArray[np.float64], std: float) -> float:
    """The sum of all pair values per squared popularity; 0 where the noise leaves nothing of it.

    The plain sum where it stands clear of its noise, else least squares, which rests on popular pairs.
    """
    plain, plain_error = sums.sum(), std * np.sqrt(2.0 * chance.size)
    if plain > CLEAR * plain_error:
        return float(plain / chance.sum())
    fitted, fitted_error = np.vdot(chance, sums), std * np.sqrt(2.0 * np.vdot(chance, chance))
    return float(fitted / np.vdot(chance, chance)) if fitted > VISIBLE * fitted_error else 0.0


def _block_lifts(
    sums: NDArray[np.float64], expected: NDArray[np.float64], std: float, categories: NDArray[np.int32]
) -> NDArray[np.float64]:
    """The lift of the two items' pair of categories, shrunk to 1 (Morris 1983); float64 [m, m]."""
    codes = np.unique(categories, return_inverse=True)[1]
    k = int(codes.max()) + 1
    member = (codes[:, None] == np.arange(k)).astype(np.float64)
    seen, chance = member.T @ sums @ member, member.T @ expected @ member
    sizes = member.sum(axis=0)
    cells = np.maximum(np.outer(sizes, sizes) - np.diag(sizes), 1.0)
    possible = chance > 0.0
    chance = np.where(possible, chance, 1.0)
    lift = np.where(possible, seen / chance, 1.0)
    error = (std**2 * cells / chance**2 + 1.0 / chance) * (1.0 + np.eye(k))
    spread = _spread((lift - 1.0)[possible], error[possible])
    shrunk = 1.0 + np.where(possible, spread / (spread + error), 0.0) * (lift - 1.0)
    return np.asarray(np.maximum(shrunk, LEAST_LIFT)[codes][:, codes])


def _spread(deviations: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """Variance of the true deviations, by moments weighted with their precision."""
    spread = 1.0
    for _ in range(20):
        trust = 1.0 / (spread + errors) ** 2
        spread = max(1e-4, float(trust @ (deviations**2 - errors) / trust.sum()))
    return spread
