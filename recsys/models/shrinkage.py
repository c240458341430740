"""Shrinkage of a noisy symmetric matrix: low rank in units of lift, and cell by cell with a learned prior."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.models.cells import PairCells
from recsys.seeds import rng

LIFT_SPREADS = np.array([0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8])
EDGES = np.array([0.03, 0.1, 0.3, 1.0, 3.0, 10.0])  # of the expected value, in standard deviations of noise
EM_STEPS = 50
PRIOR_CELLS = 5.0  # what a bin with few cells leans on: small deviations
EM_CELLS = 50_000
ALTERNATIONS = 15
CELLS_AT_ONCE = 500_000
MARGIN = 1.05


def top_components(
    matrix: NDArray[Any], rank: int, seed: int = 0, *, powers: int = 6
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The leading singular triplets by randomised subspace iteration (Halko, Martinsson and Tropp 2011).

    matrix: float [m, m]. Returns u [m, r], s [r] descending, v [m, r] with r = min(rank, m), so that
    matrix is near (u * s) @ v.T.
    """
    m = matrix.shape[1]
    basis = rng(seed, "components").normal(size=(m, min(m, rank + 8))).astype(matrix.dtype)
    for _ in range(powers):
        basis = np.linalg.qr(matrix.T @ (matrix @ basis))[0]
    u, s, vt = np.linalg.svd(matrix @ basis, full_matrices=False)
    keep = slice(min(rank, m))
    return u[:, keep], s[keep], basis @ vt[keep].T


def low_rank(
    cells: PairCells, residual: NDArray[np.float64], scale: NDArray[np.float64], noise_std: float, rank: int
) -> NDArray[np.float32]:
    """Posterior mean R [m, m], symmetric, of residual_ij = scale_i scale_j R_ij + noise, with R of low rank.

    R = U V', rows of U and V drawn from normals whose covariances are fitted on the way: alternating
    empirical-Bayes updates (probabilistic matrix factorisation, Lim and Teh 2007). Only components above the
    edge of the noise's own spectrum, 2 noise_std sqrt(cells per row) (Wigner 1958), are fitted, if any.

    residual: float64 [n_pairs]; pairs that were not counted count as no evidence against 0
    scale: float64 [m], above 0; rank: at most so many
    """
    m = len(cells)
    s, v = _leading(cells, residual, min(rank, m))
    per_row = cells.per_row.astype(np.float64)
    busy = (per_row @ per_row) / max(per_row.sum(), 1.0)  # cells in the row of a typical cell; m - 1 if all
    above = np.abs(s) > MARGIN * 2.0 * noise_std * np.sqrt(busy)
    if not above.any():
        return np.zeros((m, m), np.float32)
    s, v = s[above], v[:, above]
    right = v * np.sqrt(np.abs(s)) / scale[:, None]
    spread = 3.0 * right.std(axis=0) + 1e-12
    right = np.clip(right, -spread, spread)
    left, precisions = right * np.sign(s), [np.eye(len(s)), np.eye(len(s))]
    for _ in range(ALTERNATIONS):
        left, precisions[0] = _half_step(cells, residual, scale, noise_std, right, precisions[0])
        right, precisions[1] = _half_step(cells, residual, scale, noise_std, left, precisions[1])
    left, right = np.hstack([left, right]), np.hstack([right, left])
    return np.asarray((left * 0.5).astype(np.float32) @ right.T.astype(np.float32))


def _leading(
    cells: PairCells, values: NDArray[np.float64], rank: int, powers: int = 12
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The eigenvalues [r] largest in size, and their vectors [m, r], of the symmetric matrix of `values`."""
    basis = rng(0, "components").normal(size=(len(cells), min(len(cells), rank + 8)))
    for _ in range(powers):
        basis = np.linalg.qr(cells.times(values, basis))[0]
    s, v = np.linalg.eigh(basis.T @ cells.times(values, basis))
    keep = np.argsort(-np.abs(s), kind="stable")[:rank]
    return s[keep], basis @ v[:, keep]


def _half_step(
    cells: PairCells,
    residual: NDArray[np.float64],
    scale: NDArray[np.float64],
    noise_std: float,
    fixed: NDArray[np.float64],
    precision: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior means [m, r] of one side's rows, the other side given, and the precision fitted to them."""
    weighted = fixed * scale[:, None] / noise_std
    gram = weighted.T @ weighted
    covariance = np.linalg.inv(gram * (scale**2)[:, None, None] + precision)
    target = cells.times(residual, weighted) * (scale / noise_std)[:, None]
    mean = np.einsum("mij,mj->mi", covariance, target)
    second = (mean.T @ mean + covariance.sum(axis=0)) / len(mean)
    return mean, np.linalg.inv(second + 1e-9 * np.eye(len(second)))


def shrink_cells(
    residual: NDArray[np.float64],
    expected: NDArray[np.float64],
    noise_std: float,
    group: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Posterior mean of every cell t in residual = t + noise, t ~ sum_g w_g N(0, (g x expected)^2).

    A scale mixture in units of lift: most pairs deviate little from what is expected, a few a lot; the
    weights w are fitted by expectation-maximisation in bins of the expected value, in each group apart
    (adaptive shrinkage, Stephens 2017).

    residual, expected: float64 [cells]; expected at least 0; group: int64 [cells], 0 or more
    """
    estimate = np.zeros_like(residual)
    bins = (EDGES * noise_std).searchsorted(expected)
    if group is not None:
        bins = bins + (len(EDGES) + 1) * group
    for b in np.unique(bins):
        cells = (bins == b).nonzero()[0]
        some = cells[:: max(1, len(cells) // EM_CELLS)]
        weights = _mixture_weights(residual[some], expected[some], noise_std)
        for start in range(0, len(cells), CELLS_AT_ONCE):
            chunk = cells[start : start + CELLS_AT_ONCE]
            joint, trust = _joint(residual[chunk], expected[chunk], noise_std, weights)
            estimate[chunk] = residual[chunk] * np.einsum("cg,cg->c", joint, trust) / joint.sum(axis=1)
    return estimate


def _mixture_weights(
    residual: NDArray[np.float64], expected: NDArray[np.float64], noise_std: float
) -> NDArray[np.float64]:
    """The mixture of the cells. Starts from equal weights: few steps must reach what is large and rare."""
    usual = np.exp(-3.0 * LIFT_SPREADS)
    usual *= PRIOR_CELLS / usual.sum()
    weights = np.full(len(LIFT_SPREADS), 1.0 / len(LIFT_SPREADS))
    likelihood, _ = _joint(residual, expected, noise_std, np.ones(len(weights)))
    for _ in range(EM_STEPS):
        weights = weights * (likelihood.T @ (1.0 / (likelihood @ weights))) + usual
        weights /= len(residual) + PRIOR_CELLS
    return weights


def _joint(
    residual: NDArray[np.float64],
    expected: NDArray[np.float64],
    noise_std: float,
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight times likelihood of each spread, up to a factor per cell, and its shrinkage [cells, spreads]."""
    signal = (expected[:, None] * LIFT_SPREADS) ** 2
    total = signal + noise_std**2
    log_likelihood = -0.5 * residual[:, None] ** 2 / total - 0.5 * np.log(total)
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    return likelihood * weights, signal / total
