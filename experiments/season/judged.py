"""How near learned seasons are to planted ones, and what chances of buying again gain by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.data.vocab import Catalogue
from recsys.metrics.probability import Calibration, equal_mass_bins, log_losses
from recsys.models.replenishment import HORIZONS, IntervalModel
from recsys.models.season import MONTHS
from recsys.models.season_clock import Season
from recsys.silos.simulator.seasons import PlantedSeason

WITHIN = 30
PLANTED = (
    PlantedSeason("soft drinks", 7, 0.7),
    PlantedSeason("water", 7, 0.4),
    PlantedSeason("ice cream", 7, 1.0),
    PlantedSeason("salad", 6, 0.5),
    PlantedSeason("tomatoes", 8, 0.4),
    PlantedSeason("juice", 4, 0.3),
    PlantedSeason("potatoes", 10, 0.4),
    PlantedSeason("cakes", 12, 0.5),
    PlantedSeason("flour & baking", 12, 0.8),
    PlantedSeason("tea", 1, 0.6),
    PlantedSeason("apples", 11, 0.4),
    PlantedSeason("bananas", 2, 0.2),
)

Floats = NDArray[np.float64]


def planted_factors(planted: tuple[PlantedSeason, ...], catalogue: Catalogue) -> Floats:
    """What was planted, in the middle of each month; float64 [categories, MONTHS], mean 1."""
    names = catalogue.category_codes[1]
    factors = np.ones((len(names), MONTHS))
    for season in planted:
        if season.category in names:
            factors[names.index(season.category)] = season.factors(np.arange(MONTHS) + 0.5)
    return np.asarray(factors / factors.mean(axis=1, keepdims=True))


def nearness(factors: Floats, truth: Floats) -> dict[str, float]:
    """Of logs of factors: correlation and slope on the planted ones, and errors.

    correlation, slope: over the categories with a planted season; NaN without any. slope: how large found
    seasons are beside planted ones (waiting for the next trip evens purchases out)
    error_seasonal, error_flat: root mean square over categories with a season, and without
    """
    found, wanted = np.log(factors), np.log(truth)
    some = np.abs(wanted).max(axis=1) > 1e-9
    own, true = found[some].ravel(), wanted[some].ravel()
    moves = len(own) > 0 and own.std() > 0.0
    return {
        "correlation": float(np.corrcoef(own, true)[0, 1]) if moves else float("nan"),
        "slope": float((own @ true) / (true @ true)) if len(own) else float("nan"),
        "error_seasonal": _root(own - true),
        "error_flat": _root(found[~some].ravel()),
    }


@dataclass(frozen=True, eq=False)
class Judged:
    """All silos' customers on both sides of a cut-off.

    day: the first that is not known; seasonal: bool [categories], those with a planted season
    """

    histories: Histories
    catalogue: Catalogue
    day: int
    seasonal: NDArray[np.bool_]

    @cached_property
    def known(self) -> Histories:
        """What was bought before the cut-off."""
        return self.histories.where(self.histories.baskets() < self.day)

    def figures(self, model: IntervalModel) -> dict[str, float]:
        """Of chances within 30 days, over pairs with two days of purchase and more.

        log_loss, calibration (error, ten bins of equal mass): of all such pairs; log_loss_seasonal,
        calibration_seasonal: of those in categories with a planted season, NaN without any;
        away_seasonal: mean over these categories of |mean chance - share bought|
        """
        needs = model.needs(self.known, self.day * SECONDS_PER_DAY)
        needs = needs.where(needs.purchases > 1)
        keys = needs.customers * len(self.catalogue) + needs.items
        chances, outcomes = needs.chances[:, HORIZONS.index(WITHIN)], np.isin(keys, self._bought)
        category = self.catalogue.category_codes[0][needs.items]
        inside = self.seasonal[category]
        losses = log_losses(chances, outcomes)
        found = {
            "log_loss": float(losses.mean()),
            "calibration": _calibration(chances, outcomes),
        }
        if not inside.any():
            nothing = ("log_loss_seasonal", "calibration_seasonal", "away_seasonal")
            return found | dict.fromkeys(nothing, float("nan"))
        away = [
            abs(float(chances[category == one].mean()) - float(outcomes[category == one].mean()))
            for one in np.unique(category[inside])
        ]
        return found | {
            "log_loss_seasonal": float(losses[inside].mean()),
            "calibration_seasonal": _calibration(chances[inside], outcomes[inside]),
            "away_seasonal": float(np.mean(away)),
        }

    @cached_property
    def _bought(self) -> NDArray[np.int64]:
        """Keys (customer x items + item) of what was bought within the days that are judged."""
        bought = self.histories.purchases()
        days = bought.baskets()
        kept = (days >= self.day) & (days < self.day + WITHIN)
        return np.unique(bought.rows[kept] * len(self.catalogue) + bought.items[kept])


def with_season(model: IntervalModel, factors: Floats | None) -> IntervalModel:
    """The same model with other seasons, or without any."""
    season = None if factors is None else Season(factors, model.catalogue.category_codes[0])
    return replace(model, season=season)


def gains(figures: Mapping[str, float], without: Mapping[str, float]) -> dict[str, float]:
    """How much lower log losses are than without seasons."""
    return {
        f"gain{part}": without[f"log_loss{part}"] - figures[f"log_loss{part}"] for part in ("", "_seasonal")
    }


def _calibration(chances: Floats, outcomes: NDArray[np.bool_]) -> float:
    return Calibration.of(chances, outcomes, equal_mass_bins(chances)).error


def _root(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")
