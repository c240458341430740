"""Worlds and published numbers that rounding would show in: whales, odd sizes, extreme things told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from recsys.data.history import SECONDS_PER_DAY, EventType, Histories, Ordering
from recsys.data.split import temporal_split
from recsys.features.profile import ProfileConfig, TasteProfile
from recsys.features.sequences import SequenceConfig
from recsys.models import (
    copurchase,
    demand,
    followups,
    intervals,
    pair_sums,
    popularity,
    popularity_head,
    rhythm,
    season,
)
from recsys.models.category_scope import CategoryScope
from recsys.models.hazard import appeal
from recsys.models.weighing import EVEN, Weighing
from tests.recsys.histories_builder import make_catalogue
from training import evaluation

N_ITEMS, END = 24, 400
SIZES = (2, 3, 17, 511, 512, 513, 999, 1_000, 1_001, 1_024, 2_001, 3_000)
"""Of worlds: around the numbers of customers that are looked at together, and less than any."""
FEW = (513, 2, 1_001, 17, 1_025)
CATALOGUE = make_catalogue([f"category {i % 5}" for i in range(N_ITEMS)])

Random = np.random.Generator
Sum = Callable[[Histories], np.ndarray]


def size_of(number: int) -> int:
    """How many customers the world of this number has."""
    return FEW[number] if number < len(FEW) else SIZES[number % len(SIZES)]


def draw_world(random: Random, n: int, ordering: Ordering = Ordering.TIMESTAMP) -> Histories:
    """Customers with up to a dozen events, many of them gaps and units that nobody has, and a whale."""
    lengths = random.integers(0, 13, n)
    lengths[random.choice([0, n // 2, n - 1])] = random.integers(200, 700)
    offsets = np.concatenate([[0], lengths.cumsum()])
    rows, events = np.repeat(np.arange(n), lengths), int(offsets[-1])
    times = random.integers(0, END * SECONDS_PER_DAY, events)
    times = times[np.lexsort((times, rows))]
    if ordering is not Ordering.TIMESTAMP:
        times = times // SECONDS_PER_DAY if ordering is Ordering.ORDER_NUMBER else np.zeros_like(times)
    units = random.choice([0.1, 1.0, 1.0, 3.3, 1e9, -2.0, np.nan, np.inf], events).astype(np.float32)
    kinds = random.choice([EventType.PURCHASE.code] * 9 + [EventType.VIEW.code], events).astype(np.int8)
    items = (random.random(events) ** 2 * N_ITEMS).astype(np.int32)
    areas = random.integers(0, 3, events).astype(np.int16)
    return Histories(offsets, items, times, kinds, units, ordering, 3_600, areas)


def draw_popularity(random: Random) -> np.ndarray:
    """Published shares from what a silo lets pass at most to what it lets pass at least."""
    lowest = random.choice([1e-300, 1e-12, 1e-3])
    drawn = np.exp(random.uniform(np.log(lowest), 0.0, N_ITEMS))
    return np.asarray(drawn if random.random() < 0.5 else np.maximum(drawn / drawn.sum(), 1e-300))


def _weighing(random: Random) -> Weighing:
    if random.random() < 0.2:
        return EVEN
    half_life = random.choice([None, 1e-3, 30.0, 1e6])
    return Weighing(
        random.uniform(0.01, 1.0), random.choice([0.0, 0.5, 4.0]), random.choice([0.0, 2.5, 1e6]), half_life
    )


def _popularity(random: Random) -> Sum:
    most, weighing = int(random.choice([1, 5, 100])), _weighing(random)
    return lambda h: popularity.contribution(h, N_ITEMS, most, weighing)


def _head(random: Random) -> Sum:
    head = popularity_head.head_of(draw_popularity(random), int(random.choice([1, 6, N_ITEMS])))
    most, weighing = int(random.choice([2, 100])), _weighing(random)
    return lambda h: popularity.contribution(h, N_ITEMS, most, weighing, head)


def _copurchase(random: Random) -> Sum:
    top, full_rank, pairs = (int(random.choice(few)) for few in ((2, 9, 24), (1, 4, 24), (1, 40, 2_000)))
    scope = copurchase.PairScope.from_popularity(draw_popularity(random), top, full_rank, pairs)
    most = int(random.choice([2, 5, 100]))
    return lambda h: copurchase.contribution(h, scope, most)


def _intervals(_: Random) -> Sum:
    return lambda h: intervals.contribution(h, CATALOGUE)


def _rhythm(random: Random) -> Sum:
    usual = random.uniform(-50.0, 50.0, N_ITEMS) if random.random() < 0.5 else np.full(N_ITEMS, np.log(20.0))
    public = rhythm.Public(usual, appeal(draw_popularity(random)), np.ones(N_ITEMS, bool), END)
    moved = random.normal(size=rhythm.DIMENSIONS) * random.choice([0.0, 0.1, 1.0, 1e3, 1e6])
    return lambda h: rhythm.contribution(h, public, moved)


def _season(random: Random) -> Sum:
    window = season.Window(END + int(random.integers(0, 200)), 1)
    full_days = random.choice([1e-3, 3.0, 36.0])
    return lambda h: season.contribution(h, CATALOGUE, window, full_days=full_days)


def _followups(random: Random) -> Sum:
    scope = CategoryScope.of(CATALOGUE, draw_popularity(random), int(random.choice([6, 10_000])))
    end, full_cells = random.choice([None, END, END - 60]), random.choice([1e-3, 3.0, 1e3])
    return lambda h: followups.contribution(h, scope, end=end, full_cells=full_cells)


def _demand(random: Random) -> Sum:
    few, many = 10.0 ** random.uniform(-6, 2), 10.0 ** random.uniform(0, 9)
    bounds = demand.Bounds(
        weeks=int(random.choice([8, 40])),
        max_units=many,
        items=few,
        level=many,
        rareness=random.choice([0.0, 1 / 3, 1.0]),
    )
    scope = demand.Scope.of(CATALOGUE, draw_popularity(random), bounds, END)
    return lambda h: demand.contribution(h, scope)


def _metrics(random: Random) -> Sum:
    d, told = int(random.choice([1, 3, 16, 70])), draw_popularity(random)
    tables = random.normal(size=(2, N_ITEMS, d)) * np.exp(random.normal(size=(2, N_ITEMS, d)) * 4.0)
    tables *= random.choice([1e-30, 1e-2, 1.0]) / np.abs(tables).max() * 10.0 ** random.choice([0, 30])
    profile = TasteProfile.of(CATALOGUE, told, ProfileConfig())
    sequence = SequenceConfig(max_items=int(random.choice([1, 5, 100])), decay=random.uniform(0.01, 1.0))
    published = evaluation.Published(told, *tables.astype(np.float32), profile, sequence)
    cutoff = END * SECONDS_PER_DAY * 2 // 3
    return lambda h: evaluation.contribution(temporal_split(h, cutoff), published).sum(axis=0)


MECHANISMS: dict[str, Callable[[Random], Sum]] = {
    "popularity": _popularity,
    "popularity of the head": _head,
    "copurchase": _copurchase,
    "intervals": _intervals,
    "rhythm": _rhythm,
    "season": _season,
    "followups": _followups,
    "demand": _demand,
    "metrics": _metrics,
}
"""Each draws what is told and set, and gives the raw sum of any customers' histories."""

WITHOUT_TIME = ("popularity", "popularity of the head", "copurchase")


@contextmanager
def drawn_chunks(random: Random) -> Iterator[None]:
    """As many customers at a time as are drawn: with few of them worlds of thousands have many ends."""
    with pytest.MonkeyPatch.context() as patch:
        if random.random() < 0.7:
            for module in (rhythm, season, demand, followups):
                patch.setattr(module, "CUSTOMERS_AT_ONCE", int(random.integers(100, 1_200)))
            patch.setattr(rhythm, "ROWS_KEPT", int(random.choice([0, 5_000, 6_000_000])))
            patch.setattr(evaluation, "CHUNK", int(random.integers(50, 600)))
            patch.setattr(pair_sums, "CELLS_AT_ONCE", int(random.choice([50, 3_000, 4_000_000])))
        yield
