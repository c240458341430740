"""The methods that are compared, by name, all on one cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.boosted import Boosted, Features
from experiments.replenishment.features import model_features, pair_features
from experiments.replenishment.forecast import Forecast
from experiments.replenishment.gaps import category_gap, personal_mean_gap, personal_median_gap
from experiments.replenishment.pairs import Pairs
from experiments.replenishment.poisson_gamma import (
    MODIFIED_VARIANTS,
    PLAIN_VARIANTS,
    GammaPrior,
    modified_poisson_gamma,
    poisson_gamma,
)
from recsys.data.history import Histories
from recsys.data.vocab import Catalogue
from recsys.metrics.probability import log_losses
from recsys.models.replenishment import HORIZONS

CHOSEN_AT = 14
PRIVATE, TWIN = "private", "non_private_twin"
BOOSTED, RICH = "boosted", "boosted_rich"
"""Trees on the same features as our model, and on many more with exact statistics of every item."""


@dataclass(frozen=True, eq=False)
class Known:
    """What baselines are given: purchases before the pairs' day, and nothing after it."""

    histories: Histories
    pairs: Pairs
    catalogue: Catalogue
    seed: int = 0

    @property
    def earlier(self) -> Pairs:
        """The same as it was known `CHOSEN_AT` days before: what parameters are chosen on."""
        return Pairs.on(self.histories, self.pairs.day - CHOSEN_AT, self.pairs.n_items)


@dataclass(frozen=True, eq=False)
class Answer:
    """A method's forecast of all pairs, and what it chose.

    list_scores: float64 [pairs], by which it ranks a list, NaN for what it does not list; None: by chance
    """

    forecast: Forecast
    chosen: Mapping[str, Any] = field(default_factory=dict)
    list_scores: NDArray[np.float64] | None = None


def _poisson_gamma(known: Known) -> Answer:
    def make(pairs: Pairs, *, by_item: bool) -> Forecast:
        return poisson_gamma(pairs, GammaPrior.fit(pairs, by_item=by_item))

    return _best(known, make, PLAIN_VARIANTS)


def _modified_poisson_gamma(known: Known) -> Answer:
    def make(pairs: Pairs, *, by_item: bool, purchases: bool, repeats: bool) -> Forecast:
        prior = GammaPrior.fit(pairs, by_item=by_item)
        return modified_poisson_gamma(pairs, prior, purchases=purchases, repeats=repeats)

    return _best(known, make, MODIFIED_VARIANTS)


def _best(known: Known, make: Callable[..., Forecast], variants: Sequence[Mapping[str, Any]]) -> Answer:
    """The variant with the least log loss on the earlier day, made on the whole of what is known."""
    earlier = known.earlier
    judged = earlier.counts > 0
    chosen = variants[0]
    if judged.any():
        bought = (earlier.next_purchase(known.histories) < CHOSEN_AT)[judged]
        column = HORIZONS.index(CHOSEN_AT)
        losses = [
            log_losses(make(earlier, **variant).chances[judged, column], bought).mean()
            for variant in variants
        ]
        chosen = variants[int(np.argmin(losses))]
    return Answer(make(known.pairs, **chosen), chosen)


def _boosted(known: Known, features: Features) -> Answer:
    model = Boosted(known.histories, known.pairs.day, known.pairs.n_items, known.seed, features)
    return Answer(model.forecast(known.pairs), model.chosen)


BASELINES: dict[str, Callable[[Known], Answer]] = {
    "personal_mean_gap": lambda known: Answer(personal_mean_gap(known.pairs)),
    "personal_median_gap": lambda known: Answer(personal_median_gap(known.pairs)),
    "category_gap": lambda known: Answer(category_gap(known.pairs, known.catalogue)),
    "poisson_gamma": _poisson_gamma,
    "modified_poisson_gamma": _modified_poisson_gamma,
    BOOSTED: lambda known: _boosted(known, model_features),
    RICH: lambda known: _boosted(known, pair_features),
}
METHODS = (PRIVATE, TWIN, *BASELINES)
