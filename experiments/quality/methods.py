"""The non-private methods by name: how each is fitted, and on what its parameters are tuned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
from recsys.models.baselines.tifu_knn import PUBLISHED, Decay, TifuKnn
from recsys.models.baselines.up_cf import UpCf

Grid = Mapping[str, Sequence[Any]]

RIDGES = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
DECAYS = (Decay(3, 0.9, 0.7), Decay(3, 0.9, 0.6), Decay(7, 1.0, 0.6), Decay(10, 0.6, 0.8))
"""TIFU-KNN's published settings for Instacart, Dunnhumby, ValuedShopper and TaoBao; those for Ta-Feng come
first."""
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


def _tuned(kind: Any, grid: Grid) -> Callable[[Bench], Fitted]:
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


def _searched(kind: Any, grid: Grid, further: Grid, of_order: Collection[str]) -> Callable[[Bench], Fitted]:
    """As `_tuned`, and from the best of the grid on, one parameter after the other, also with further values.

    of_order: parameters that say how baskets follow each other; data without an order has one basket each
    """

    def fit(bench: Bench) -> Fitted:
        known: dict[tuple[Any, ...], float] = {}
        tuning = bench.validation.trial

        def quality(values: Mapping[str, Any]) -> float:
            key = tuple(values.values())
            if key not in known:
                known[key] = bench.validation.quality(kind.fit(tuning.learned, tuning.n_items, **values))
            return known[key]

        ordered = bench.trial.histories.ordering is not Ordering.NONE
        tried = {
            name: values if ordered or name not in of_order else values[:1] for name, values in grid.items()
        }
        chosen = max(
            (dict(zip(tried, values, strict=True)) for values in product(*tried.values())), key=quality
        )
        for name, values in further.items():
            if ordered or name not in of_order:
                chosen = max((chosen | {name: value} for value in (chosen[name], *values)), key=quality)
        return Fitted(kind.fit(bench.trial.learned, bench.trial.n_items, **chosen), chosen)

    return fit


BASELINES: dict[str, Callable[[Bench], Fitted]] = {
    "popularity": _simple(GlobalTop),
    "personal_top": _simple(PersonalTop),
    "gp_topfreq": _simple(GpTopFreq),
    "tifu_knn": _searched(
        TifuKnn,
        {"alpha": (0.3, 0.7), "neighbours": (300,), "decay": (PUBLISHED,)},
        {"decay": DECAYS, "neighbours": (100, 900), "alpha": (0.1, 0.2, 0.5, 0.9)},
        of_order=("decay",),
    ),
    "up_cf": _searched(
        UpCf,
        {"asymmetry": (0.0, 0.25), "locality": (1.0, 5.0, 10.0), "recency": (5, 25, 100)},
        {"recency": (1,), "asymmetry": (0.5, 0.75, 1.0), "locality": (50.0,)},
        of_order=("recency",),
    ),
    "item_knn": _tuned(ItemKnn, {"neighbours": (20, 100), "shrinkage": (0.0, 20.0)}),
    "ease": _ease,
    "implicit_als": _tuned(ImplicitAls, {"factors": (32, 128), "alpha": (1.0, 10.0)}),
}
