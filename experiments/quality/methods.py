"""The non-private methods by name: how each is fitted, and on what its parameters are tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.quality.figures import LONGEST, headline
from experiments.quality.private import candidate_lists
from experiments.quality.protocols import Protocol, validation
from experiments.quality.trial import Trial
from recsys.data.history import Ordering
from recsys.models.baselines.ease import MOST_ITEMS, Ease, gram_matrix, regression
from recsys.models.baselines.implicit_als import ImplicitAls
from recsys.models.baselines.item_knn import ItemKnn
from recsys.models.baselines.personal import GpTopFreq, PersonalTop
from recsys.models.baselines.popularity import GlobalTop, item_counts
from recsys.models.baselines.scoring import Baseline, Ranked, rank_all
from recsys.models.baselines.tifu_knn import TifuKnn
from recsys.models.baselines.up_cf import UpCf

RIDGES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
TUNING_ITEMS = 3_000
"""EASE is tuned on the most popular items alone where there are more: its inverse grows with their cube."""


@dataclass(frozen=True, eq=False)
class Bench:
    """A trial, its exact popularity, and its validation split (made when first asked for)."""

    trial: Trial
    protocol: Protocol
    seed: int

    @cached_property
    def popularity(self) -> NDArray[np.float64]:
        """In how many (customer, basket) pairs of the training side each item is; float64 [n_items]."""
        return item_counts(self.trial.learned, self.trial.n_items)

    @cached_property
    def validation(self) -> Bench:
        """Where parameters are chosen."""
        return Bench(validation(self.trial, self.protocol, seed=self.seed), self.protocol, self.seed)

    def lists(self, model: Baseline, k: int = LONGEST) -> Ranked:
        """The lists of a fitted method."""
        if self.trial.candidates is not None:
            found = candidate_lists(model, self.trial, self.popularity, k)
            return Ranked(found, found)
        ranked = rank_all(model, self.trial.shown, self.popularity, k)
        return Ranked(ranked.fresh, ranked.fresh) if self.trial.new_only else ranked

    def quality(self, model: Baseline) -> float:
        """The headline metric."""
        return float(headline(self.lists(model, 20), self.trial).mean())


@dataclass(frozen=True)
class Fitted:
    """A fitted method and the parameters that were chosen for it."""

    model: Baseline
    chosen: Mapping[str, Any] = field(default_factory=dict)


def best_of(bench: Bench, candidates: Iterable[tuple[dict[str, Any], Baseline]]) -> dict[str, Any]:
    """The parameters of the candidate that does best on a bench; the first of equals."""
    scored = [(bench.quality(model), parameters) for parameters, model in candidates]
    return max(scored, key=lambda pair: pair[0])[1]


def _simple(kind: Any) -> Callable[[Bench], Fitted]:
    return lambda bench: Fitted(kind.fit(bench.trial.learned, bench.trial.n_items))


def _ease(bench: Bench) -> Fitted:
    tuning = bench.validation
    gram, items = gram_matrix(tuning.trial.learned, tuning.trial.n_items, TUNING_ITEMS)
    chosen = best_of(
        tuning,
        (({"ridge": ridge}, Ease(regression(gram, ridge), items, tuning.trial.n_items)) for ridge in RIDGES),
    )
    model = Ease.fit(bench.trial.learned, bench.trial.n_items, **chosen)
    return Fitted(model, chosen | {"most_items": min(MOST_ITEMS, bench.trial.n_items)})


def _tuned(kind: Any, grid: Mapping[str, Sequence[Any]]) -> Callable[[Bench], Fitted]:
    """Fit with every combination of a grid on the validation split, then with the best one on all."""

    def fit(bench: Bench) -> Fitted:
        tuning = bench.validation.trial
        settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        chosen = best_of(
            bench.validation,
            ((values, kind.fit(tuning.learned, tuning.n_items, **values)) for values in settings),
        )
        return Fitted(kind.fit(bench.trial.learned, bench.trial.n_items, **chosen), chosen)

    return fit


def _up_cf(bench: Bench) -> Fitted:
    """The window of recent baskets matters only where there are several."""
    grid: dict[str, Sequence[Any]] = {"asymmetry": (0.0, 0.25), "locality": (1.0, 5.0, 10.0)}
    ordered = bench.trial.histories.ordering is not Ordering.NONE
    return _tuned(UpCf, grid | {"recency": (5, 25, 100) if ordered else (1,)})(bench)


BASELINES: dict[str, Callable[[Bench], Fitted]] = {
    "popularity": _simple(GlobalTop),
    "personal_top": _simple(PersonalTop),
    "gp_topfreq": _simple(GpTopFreq),
    "tifu_knn": _tuned(TifuKnn, {"alpha": (0.3, 0.7), "neighbours": (300,)}),
    "up_cf": _up_cf,
    "item_knn": _tuned(ItemKnn, {"neighbours": (20, 100), "shrinkage": (0.0, 20.0)}),
    "ease": _ease,
    "implicit_als": _tuned(ImplicitAls, {"factors": (32, 128), "alpha": (1.0, 10.0)}),
}
