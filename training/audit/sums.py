"""Trials of the step audit for the noised sums: the real contributions of a few customers and a canary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, EventType, Histories, Ordering
from recsys.data.split import temporal_split
from recsys.data.vocab import Catalogue
from recsys.features.profile import ProfileConfig, TasteProfile
from recsys.features.sequences import SequenceConfig
from recsys.models import copurchase, demand, followups, popularity, replenishment, rhythm, season
from recsys.models.category_scope import CategoryScope
from recsys.models.copurchase import PairScope
from recsys.models.hazard import DIMENSIONS, NAMES
from recsys.models.rhythm_start import WHITEN
from recsys.privacy.mechanisms import SecureNoise, noised_sum
from recsys.privacy.releases import ReleasePlan
from training import evaluation
from training.audit.bounds import gaussian_mu
from training.audit.step_audit import Score
from training.config import COPURCHASE, DEMAND, FOLLOWUPS, INTERVALS, METRICS, POPULARITY, RHYTHM, SEASON
from training.local import BOUNDS

N_ITEMS, MAX_ITEMS = 40, 20
CUSTOMERS, PURCHASES = 8, 12
LAST_DAY = 200
FIRST_DAYS = 100  # within which everybody buys something
TOO_MANY = 6.0  # log of how many times more purchases are expected
FAVOURITE = N_ITEMS - 1  # bought by everybody, after the last day


@cache
def _catalogue() -> Catalogue:
    texts = ("",) * N_ITEMS
    return Catalogue(
        item_ids=tuple(f"i{i:02}" for i in range(N_ITEMS)),
        titles=texts,
        brands=texts,
        categories=tuple(f"c{i % 4}" for i in range(N_ITEMS)),
        departments=texts,
        pack_sizes=np.ones(N_ITEMS, np.float32),
        prices=np.ones(N_ITEMS, np.float32),
        consumable=np.ones(N_ITEMS, np.bool_),
    )


def _copurchase(histories: Histories) -> NDArray[np.float64]:
    scope = PairScope.from_popularity(np.full(N_ITEMS, 1 / N_ITEMS), N_ITEMS, N_ITEMS)
    return copurchase.contribution(histories, scope, MAX_ITEMS)


def _rhythm(histories: Histories) -> NDArray[np.float64]:
    """A round that asks for gradients where far too much is expected: each customer reaches the bound."""
    alike = np.full(N_ITEMS, np.log(30.0)), np.zeros(N_ITEMS), np.ones(N_ITEMS, np.bool_)
    level = np.arange(DIMENSIONS) == NAMES.index("one")
    return rhythm.contribution(
        histories, rhythm.Public(*alike, end=LAST_DAY), np.linalg.solve(WHITEN, TOO_MANY * level)
    )


def _season(histories: Histories) -> NDArray[np.float64]:
    """A year that begins when all of them have bought, and hardly any days count in full."""
    window = season.Window(FIRST_DAYS + 365)
    return season.contribution(histories, _catalogue(), window, full_days=1.0).ravel()


def _followups(histories: Histories) -> NDArray[np.float64]:
    """One observed first purchase is as much as a customer may send: most reach the bound."""
    scope = CategoryScope.of(_catalogue(), np.full(N_ITEMS, 1 / N_ITEMS))
    return followups.contribution(histories, scope, full_cells=followups.EXPOSURE**2).ravel()


def _demand(histories: Histories) -> NDArray[np.float64]:
    """Bounds so low that each customer reaches all of them."""
    least = demand.Bounds(52, 52, items=0.01, groups=0.01, areas=0.01, level=0.01, spread=0.01)
    scope = demand.Scope.of(_catalogue(), np.full(N_ITEMS, 1 / N_ITEMS), least, LAST_DAY + 1)
    return demand.contribution(histories, scope)


def _metrics(histories: Histories) -> NDArray[np.float64]:
    """All held-out baskets are the most popular item, which nobody had: each figure of a customer is 1."""
    popular = np.where(np.arange(N_ITEMS) == FAVOURITE, 0.5, 0.5 / (N_ITEMS - 1))
    nothing = np.zeros((N_ITEMS, 1), np.float32)
    indifferent = ProfileConfig(category_weight=0.0, brand_weight=0.0, tier_weight=0.0)
    published = evaluation.Published(
        popular, nothing, nothing, TasteProfile.of(_catalogue(), popular, indifferent), SequenceConfig()
    )
    split = temporal_split(histories, LAST_DAY * SECONDS_PER_DAY)
    return np.asarray(evaluation.contribution(split, published).sum(axis=0))


SUMS: Mapping[str, Callable[[Histories], NDArray[np.float64]]] = {
    POPULARITY: lambda histories: popularity.contribution(histories, N_ITEMS, MAX_ITEMS),
    COPURCHASE: _copurchase,
    INTERVALS: lambda histories: replenishment.contribution(histories, _catalogue()).ravel(),
    RHYTHM: _rhythm,
    SEASON: _season,
    FOLLOWUPS: _followups,
    DEMAND: _demand,
    METRICS: _metrics,
}
"""The raw sum of each mechanism, as a silo computes it."""


def sum_score(
    mechanism: str, claim: float, delta: float, noise: Callable[[], SecureNoise] = SecureNoise
) -> tuple[Score, float]:
    """One noised sum as a trial: along what the last customer, the canary, adds; and the midpoint.

    claim, delta, noise: as in `training.audit.step_audit.tower_score`.
    """
    raw, histories = SUMS[mechanism], _histories()
    total = {True: raw(histories), False: raw(histories.select(np.arange(CUSTOMERS - 1)))}
    added = total[True] - total[False]
    direction = added / np.linalg.norm(added)
    plan = ReleasePlan(mechanism, BOUNDS[mechanism], 1 / gaussian_mu(claim, delta))

    def score(inside: bool) -> float:
        customers = CUSTOMERS if inside else CUSTOMERS - 1
        return float(noised_sum(total[inside], plan, noise(), customers) @ direction)

    return score, float((total[True] + total[False]) @ direction) / 2


def _histories() -> Histories:
    """Customers who buy a few items again and again, and at last the favourite; the same in every audit."""
    random = np.random.default_rng(2)
    shape = CUSTOMERS, PURCHASES
    days, items = np.full(shape, LAST_DAY), np.full(shape, FAVOURITE)
    days[:, :-1] = np.sort(random.integers(0, LAST_DAY, (CUSTOMERS, PURCHASES - 1)), axis=1)
    items[:, :-1] = random.integers(0, 5, (CUSTOMERS, PURCHASES - 1)) + 4 * np.arange(CUSTOMERS)[:, None]
    return Histories(
        offsets=np.arange(CUSTOMERS + 1) * PURCHASES,
        items=items.ravel().astype(np.int32),
        times=days.ravel() * SECONDS_PER_DAY,
        events=np.full(days.size, EventType.PURCHASE.code, np.int8),
        quantities=np.ones(days.size, np.float32),
        ordering=Ordering.TIMESTAMP,
    )
