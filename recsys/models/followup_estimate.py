"""Which follow-ups stand clear of noise and chance: rules made of the noised sums."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from recsys.errors import ConfigError
from recsys.models.followup_rules import FollowUp
from recsys.models.followups import BINS, EDGES, EXPOSURE

Floats = NDArray[np.float64]

CLEAR = 3.0  # standard deviations of noise that all exposures together must exceed for a bin to be looked at
TYPICAL = 0.9  # share of a category's cells, the least deviating, that tell what is usual
SURE, MOST = 2.0, 0.8  # standard errors taken off a window's chance, and how much of the best will do
MIRROR = 0.6  # how much the mirrored cell counts: about what it tells beside the other
RUNS = tuple((first, last) for first in range(BINS) for last in range(first, BINS))
WIDTHS = np.array([EDGES[last + 1] - EDGES[first] for first, last in RUNS], np.float64)


class _Cells(NamedTuple):
    """Per first category, second category and bin: what is left beyond the usual, its variance, exposure."""

    values: Floats
    variance: Floats
    exposed: Floats


def estimate(
    noised: Floats,
    noise_std: float,
    names: tuple[str, ...],
    *,
    full_cells: float = 4.0,
    false_rate: float = 0.01,
    least_chance: float = 0.02,
) -> tuple[FollowUp, ...]:
    """The rules that the sums of `followups.contribution` support, by name of the first category.

    What follows every category alike (a season, growth) is taken off first. Every run of neighbouring bins
    is a candidate window; a pair's p-value is that of its clearest run times the number of runs (Bonferroni),
    and pairs are kept at a false discovery rate (Benjamini and Hochberg 1995). The variance of a cell is the
    noise's, and what chance alone leaves, read off the same category's other cells; the mirrored cell, of
    what is given up before the second category, counts beside it. A kept pair's window is
    the shortest run whose chance, less two standard errors, is most of the largest such. Chances are scaled
    down by 1 - 1 / z^2: the clearest of many is clearer than it is. Post-processing: costs no privacy.

    noised: float64 [m, m, BINS]; noise_std: of every cell; names: the m categories;
    full_cells: as the customers were told. Raises ConfigError for a negative noise_std.
    """
    if not 0.0 <= noise_std < np.inf:
        raise ConfigError(f"noise_std is {noise_std}; it must be 0 or more")
    if len(names) < 2:
        return ()
    unit = np.sqrt(full_cells)
    values = np.nan_to_num(np.asarray(noised, np.float64), nan=0.0, posinf=0.0, neginf=0.0) * unit
    windows = _windows(values, noise_std * unit)
    score = windows.scores.max(axis=0)
    tried = int(np.isfinite(windows.scores).any(axis=(1, 2)).sum())
    tests = len(names) * (len(names) - 1)
    kept = _discoveries(np.minimum(ndtr(-score) * max(tried, 1), 1.0), tests, false_rate)
    chosen = _chosen(windows)
    rules = []
    for first, second in np.argwhere(kept).tolist():
        run = chosen[first, second]
        share = 1.0 - 1.0 / score[first, second] ** 2
        chance = min(float(windows.chances[run, first, second] * max(share, 0.0)), 1.0)
        if chance >= least_chance:
            days = int(EDGES[RUNS[run][0]]), int(EDGES[RUNS[run][1] + 1])
            error = float(windows.errors[run, first, second])
            rules.append(FollowUp(names[first], names[second], *days, chance, error))
    return tuple(sorted(rules, key=lambda rule: (rule.bought, rule.after_days, -rule.chance, rule.needed)))


class _Windows(NamedTuple):
    """Of every run of bins, by first and second category: how clear, what chance, its standard error.

    float64 [runs, m, m] each; a score of minus infinity: not observed
    """

    scores: Floats
    chances: Floats
    errors: Floats


def _windows(values: Floats, std: float) -> _Windows:
    m = len(values)
    cells, seen = _beyond_usual(values, std), _observed(values, std)
    clear, doubt = _both_ways(cells, std), std / EXPOSURE
    found = _Windows(
        np.full((len(RUNS), m, m), -np.inf), np.zeros((len(RUNS), m, m)), np.ones((len(RUNS), m, m))
    )
    for number, (first, last) in enumerate(RUNS):
        bins = slice(first, last + 1)
        if not seen[bins].all():
            continue
        shares = 1.0 / cells.exposed[:, None, bins]
        chances = cells.values[:, :, bins] * shares
        variance = cells.variance[:, :, bins] + (doubt * chances) ** 2
        found.scores[number] = clear.values[:, :, bins].sum(axis=2) / np.sqrt(
            clear.variance[:, :, bins].sum(axis=2)
        )
        found.chances[number] = chances.sum(axis=2)
        found.errors[number] = np.sqrt((variance * shares**2).sum(axis=2))
    found.scores[:, np.arange(m), np.arange(m)] = -np.inf
    return found


def _both_ways(cells: _Cells, std: float) -> _Cells:
    """Where B follows A, A is given up before B's first day: the mirrored cell tells of it too, if less.

    What chance leaves in the two is taken to go together as far as it can.
    """
    chance = np.sqrt(np.maximum(cells.variance - std**2, 0.0))
    values = cells.values - MIRROR * cells.values.swapaxes(0, 1)
    variance = (1.0 + MIRROR**2) * std**2 + (chance + MIRROR * chance.swapaxes(0, 1)) ** 2
    return _Cells(values, variance, cells.exposed)


def _chosen(windows: _Windows) -> NDArray[np.int64]:
    """The shortest run with most of the chance that is sure; [m, m]."""
    sure = np.where(np.isfinite(windows.scores), windows.chances - SURE * windows.errors, -np.inf)
    best = sure.max(axis=0)
    enough = sure >= np.minimum(MOST * best, best)
    return np.asarray(np.where(enough, WIDTHS[:, None, None], np.inf).argmin(axis=0))


def _observed(values: Floats, std: float) -> NDArray[np.bool_]:
    """Bins in which anybody was observed, as far as noise lets it be known; bool [BINS]."""
    exposed = np.diagonal(values).sum(axis=1) / EXPOSURE
    return np.asarray(exposed > max(CLEAR * std / EXPOSURE * np.sqrt(len(values)), 1.0))


def _beyond_usual(values: Floats, std: float) -> _Cells:
    """Take off what follows all categories alike, as far as it stands clear of noise."""
    m = len(values)
    exposed = np.maximum(np.diagonal(values).T / EXPOSURE, max(std / EXPOSURE, 1.0))  # [m, BINS]
    between = ~np.eye(m, dtype=bool)[:, :, None]
    values = values * between
    weights = np.broadcast_to(exposed[:, None, :], values.shape) * between
    typical = _typical(values / np.sqrt(std**2 + weights + 1.0)) & between
    total = (weights * typical).sum(axis=0)
    usual = (values * typical).sum(axis=0) / np.maximum(total, 1.0)
    doubt = typical.sum(axis=0) * std**2 / np.maximum(total, 1.0) ** 2 + 1.0 / np.maximum(total, 1.0)
    signal = max(float((usual**2 - doubt).mean()), 0.0)
    left = values - weights * (usual * signal / (signal + doubt + 1e-300))
    # Chance: how many customers take a category up, or give it up, whatever they bought first.
    kept = typical.sum(axis=0)
    square = (left**2 * typical).sum(axis=0) / _share_left(kept / (m - 1.0)) - kept * std**2
    rate = np.maximum(square / np.maximum(total, 1.0), 0.0)
    return _Cells(left, std**2 + weights * rate + 1.0, exposed)


def _typical(sizes: Floats) -> NDArray[np.bool_]:
    """The cells that deviate least within each second category and bin."""
    limit = np.quantile(np.abs(sizes), TYPICAL, axis=0)
    return np.asarray(np.abs(sizes) <= limit)


def _share_left(kept: Floats) -> Floats:
    """What is left of a normal's variance if this share of it is kept, the least deviating."""
    kept = np.clip(kept, 0.1, 1.0 - 1e-9)
    limit = ndtri((1.0 + kept) / 2.0)
    return np.asarray(1.0 - limit * np.sqrt(2.0 / np.pi) * np.exp(-(limit**2) / 2.0) / kept)


def _discoveries(p_values: Floats, tests: int, rate: float) -> NDArray[np.bool_]:
    """Which hypotheses Benjamini and Hochberg's step-up procedure rejects; bool, of the same shape."""
    ordered = np.sort(p_values, axis=None)
    passed = np.flatnonzero(ordered[:tests] <= rate * np.arange(1, tests + 1)[: len(ordered)] / tests)
    return p_values <= (ordered[passed[-1]] if len(passed) else -1.0)
