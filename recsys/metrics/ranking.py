"""How good ranked lists are. Arrays in, one value per customer out; `bootstrap` turns them into floats."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.seeds import rng

Denominator = Literal["relevant", "min"]


class Interval(NamedTuple):
    """A mean over customers and its bootstrap interval."""

    mean: float
    low: float
    high: float


def hits(
    ranked: NDArray[np.int32], offsets: NDArray[np.int64], relevant: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Which places of the lists hold a relevant item; bool [n, k].

    ranked: int [n, k], best first, distinct items, -1 where the list ends early
    offsets, relevant: the relevant items of customer c are relevant[offsets[c] : offsets[c + 1]], distinct
    """
    size = int(max(ranked.max(initial=0), relevant.max(initial=0))) + 1
    rows = np.arange(len(ranked), dtype=np.int64)
    wanted = np.sort(np.repeat(rows, np.diff(offsets)) * size + relevant)
    if not len(wanted):
        return np.zeros(ranked.shape, bool)
    keys = rows[:, None] * size + ranked
    found = wanted[np.minimum(wanted.searchsorted(keys), len(wanted) - 1)] == keys
    return np.asarray(found & (ranked >= 0))


def recall_at_k(
    hit: NDArray[np.bool_], relevant: NDArray[np.int64], k: int, denominator: Denominator = "relevant"
) -> NDArray[np.float64]:
    """Share of the relevant items among the first k; float64 [n], NaN where nothing is relevant.

    hit: bool [n, >= k] from `hits`; relevant: int [n], how many items are relevant.
    denominator: "relevant" divides by all relevant items, as next-basket papers do (Li et al. 2023);
    "min" by min(k, relevant), as for strong generalisation (Liang et al. 2018).
    """
    most = relevant if denominator == "relevant" else np.minimum(relevant, k)
    return _ratio(_first(hit, k).sum(axis=1), most)


def ndcg_at_k(hit: NDArray[np.bool_], relevant: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain with binary gains and the ideal list cut at k; float64 [n].

    sum over hits of 1/log2(1 + place), divided by the same sum of the best possible list of k places
    (Järvelin and Kekäläinen 2002). NaN where nothing is relevant.
    """
    discount = 1.0 / np.log2(np.arange(k) + 2.0)
    ideal = np.concatenate(([0.0], discount.cumsum()))
    # One place after the other: the last bits of a matrix product depend on which rows are beside a row.
    gains = np.where(_first(hit, k), discount, 0.0).cumsum(axis=1)[:, -1]
    return _ratio(gains, ideal[np.minimum(relevant, k)])


def hit_at_k(hit: NDArray[np.bool_], relevant: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """1 where any of the first k items is relevant, else 0; float64 [n], NaN where nothing is relevant."""
    return np.where(relevant > 0, _first(hit, k).any(axis=1).astype(np.float64), np.nan)


def bootstrap(
    values: NDArray[np.float64], *, samples: int = 500, confidence: float = 0.95, seed: int = 0
) -> list[Interval]:
    """Means over customers with percentile bootstrap intervals (Efron 1979), customers resampled together.

    values: float64 [metrics, n]; customers with a NaN in any metric are left out. One interval per metric.
    With no customers left every figure is NaN.
    """
    values = values[:, ~np.isnan(values).any(axis=0)]
    n = values.shape[1]
    if n == 0:
        return [Interval(np.nan, np.nan, np.nan)] * len(values)
    generator = rng(seed, "bootstrap")
    customers = np.ascontiguousarray(values.T)
    draws = [customers[generator.integers(0, n, n)].mean(axis=0) for _ in range(samples)]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.array(draws), [tail, 1.0 - tail], axis=0)
    means = customers.mean(axis=0)
    return [Interval(*map(float, row)) for row in zip(means, low, high, strict=True)]


def _first(hit: NDArray[np.bool_], k: int) -> NDArray[np.bool_]:
    if not 1 <= k <= hit.shape[1]:
        raise ConfigError(f"k is {k}, but the lists hold {hit.shape[1]} items; rank at least k items")
    return hit[:, :k]


def _ratio(top: NDArray[Any], bottom: NDArray[Any]) -> NDArray[np.float64]:
    out = np.full(len(top), np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
