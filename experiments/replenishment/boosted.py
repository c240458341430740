"""Gradient-boosted trees on exact features: not private, the strongest method that is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from experiments.replenishment.features import pair_features
from experiments.replenishment.forecast import Forecast, from_chances
from experiments.replenishment.pairs import Pairs
from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.metrics.probability import log_losses
from recsys.models.replenishment import HORIZONS

ANCHORS, STEP = 6, 14  # earlier days whose outcomes are known, and days between them
LEAST_PAST = 30
MOST_ROWS = 200_000
CHOICES: tuple[dict[str, Any], ...] = (
    {"max_leaf_nodes": 15, "max_iter": 150},
    {"max_leaf_nodes": 7, "max_iter": 200},
    {"max_leaf_nodes": 31, "max_iter": 100},
    {"max_leaf_nodes": 15, "max_iter": 75},
)
FIXED: dict[str, Any] = {"learning_rate": 0.05, "l2_regularization": 1.0, "min_samples_leaf": 50}
TUNED_AT = 14

Features = Callable[[Histories, Pairs], NDArray[np.float64]]


@dataclass
class Rows:
    """Features and days to the next purchase of pairs on many days, stacked."""

    features: NDArray[np.float64]
    next: NDArray[np.float64]


@dataclass
class Boosted:
    """One classifier a horizon, for pairs with two purchases and more, and for pairs with one.

    histories: known before `day`; settings of the trees are chosen on the latest anchor of the known past
    features: (histories, pairs) -> float64 [pairs, features], of what is known before the pairs' day
    """

    histories: Histories
    day: int
    n_items: int
    seed: int = 0
    features: Features = pair_features
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def forecast(self, pairs: Pairs) -> Forecast:
        """Chances and dates for pairs on `day`."""
        features, several = self.features(self.histories, pairs), pairs.counts > 0
        self.chosen = self._choose()
        chances = np.zeros((len(pairs), len(HORIZONS)))
        for column, horizon in enumerate(HORIZONS):
            chances[several, column] = self._chances(features[several], horizon, several=True)
            if horizon == TUNED_AT:
                chances[~several, column] = self._chances(features[~several], horizon, several=False)
        return self._with_dates(chances, several)

    def _with_dates(self, chances: NDArray[np.float64], several: NDArray[np.bool_]) -> Forecast:
        """Pairs with one purchase are ranked by one horizon alone, and spread evenly over the others."""
        at = HORIZONS.index(TUNED_AT)
        hazard = -np.log1p(-np.minimum(chances[~several, at], 1.0 - 1e-9)) / TUNED_AT
        chances[~several] = -np.expm1(-np.multiply.outer(hazard, np.asarray(HORIZONS, np.float64)))
        return from_chances(chances)

    def _chances(self, features: NDArray[np.float64], horizon: int, *, several: bool) -> NDArray[np.float64]:
        if not len(features):
            return np.zeros(0)
        rows = self._rows(self._anchors(self.day, horizon), several=several)
        return _fit(rows, horizon, self.chosen, self.seed, features)

    def _choose(self) -> Mapping[str, Any]:
        """By log loss on the latest anchor, from trees grown on anchors whose outcomes were known by then."""
        latest = self.day - TUNED_AT
        earlier = self._anchors(latest, TUNED_AT)
        if not earlier:
            return CHOICES[0]
        train, test = self._rows(earlier, several=True), self._rows([latest], several=True)
        if not len(test.next) or not len(train.next):
            return CHOICES[0]
        outcomes = test.next < TUNED_AT
        losses = [
            log_losses(_fit(train, TUNED_AT, choice, self.seed, test.features), outcomes).mean()
            for choice in CHOICES
        ]
        return CHOICES[int(np.argmin(losses))]

    def _anchors(self, day: int, horizon: int) -> list[int]:
        """Days with known outcomes, on the same weekday as the day that is asked about."""
        first = int(self.histories.times.min()) // SECONDS_PER_DAY + LEAST_PAST
        latest = day + horizon // -7 * 7
        return [a for a in (latest - STEP * turn for turn in range(ANCHORS)) if a >= first]

    def _rows(self, anchors: Sequence[int], *, several: bool) -> Rows:
        parts = list(self._parts(anchors, several=several))
        if not parts:
            return Rows(np.zeros((0, 1)), np.zeros(0))
        features, following = (np.concatenate(part) for part in zip(*parts, strict=True))
        if len(following) > MOST_ROWS:
            few = np.random.default_rng(self.seed).choice(len(following), MOST_ROWS, replace=False)
            features, following = features[few], following[few]
        return Rows(features, following)

    def _parts(
        self, anchors: Sequence[int], *, several: bool
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        for anchor in anchors:
            pairs = Pairs.on(self.histories, anchor, self.n_items)
            kept = (pairs.counts > 0) == several
            yield self.features(self.histories, pairs)[kept], pairs.next_purchase(self.histories)[kept]


def _fit(
    rows: Rows, horizon: int, choice: Mapping[str, Any], seed: int, features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Grow trees and ask them; the base rate where all outcomes are alike. float64 [n]."""
    outcomes, telling = rows.next < horizon, _telling(rows.features)
    if outcomes.all() or not outcomes.any():
        return np.full(len(features), float(outcomes.mean()) if len(outcomes) else 0.5)
    trees = HistGradientBoostingClassifier(
        **FIXED, **choice, early_stopping=False, random_state=seed % 2**32
    ).fit(rows.features[:, telling], outcomes)
    return np.asarray(trees.predict_proba(features[:, telling])[:, 1], np.float64)


def _telling(features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Columns with two different numbers in them: the trees' binning takes no others; bool [features]."""
    numbers = np.isfinite(features)
    least = np.where(numbers, features, np.inf).min(axis=0, initial=np.inf)
    return np.asarray(least < np.where(numbers, features, -np.inf).max(axis=0, initial=-np.inf))
