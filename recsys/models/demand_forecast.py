"""Sales to come of every item and store area, with intervals: what a bundle keeps, what is read off it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocab import Catalogue
from recsys.errors import BundleError, ConfigError
from recsys.models.demand import DAYS, PERIODS

DemandArrays = dict[str, NDArray[Any]]

TENTH = -1.2815515655446004  # of the standard normal distribution
UNDERSTATED, DRIFT = 2.0, 0.003
"""How many times as large the variance is that shrinkage states (it takes what it fitted for known), and by
what share of itself a silo's level moves in a week. Chosen on simulated worlds that no figure is reported of,
of 40,000 to 990,000 persons."""
LEVEL_AGE = 3.3  # weeks before the end at which what the level is the mean of lies

NAMES = ("places", "mix", "mix_error", "areas", "areas_error", "level", "level_error", "dispersion")


class Place(NamedTuple):
    """A silo and its store areas, the rest of the silo ("") first."""

    silo: str
    areas: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Forecast:
    """Units that are bought within some days, by area and item; float64 [areas, n_items] each.

    low, high: between which the units fall with a chance of 80 %
    """

    days: float
    areas: tuple[str, ...]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DemandModel:
    """All silos' forecasts, made of noised and charged sums: of the customers who consented to training.

    end: the day number up to which the data were complete; departments: int64 [n_items]
    mix: float [silos, n_items], shares of the units; areas: float [silos, departments, slots], shares of a
    department's units; level: float64 [silos], units a day; errors: relative variances of the three
    dispersion: float64 [periods], variance over mean of a cell's units, by horizon
    """

    places: tuple[Place, ...]
    end: int
    departments: NDArray[np.int64]
    mix: NDArray[np.float32]
    mix_error: NDArray[np.float32]
    areas: NDArray[np.float32]
    areas_error: NDArray[np.float32]
    level: NDArray[np.float64]
    level_error: NDArray[np.float64]
    dispersion: NDArray[np.float64]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], catalogue: Catalogue) -> DemandModel | None:
        """The model that a bundle keeps; None where it has none. Raises BundleError for a misfit."""
        if not arrays:
            return None
        if lacking := sorted(set(NAMES) - set(arrays)):
            raise BundleError(f"demand: has no array '{lacking[0]}'; publish the bundle again")
        codes, departments = catalogue.department_codes
        places, end = _read(arrays["places"])
        given = {name: arrays[name] for name in NAMES if name != "places"}
        silos, n = len(places), len(codes)
        slots = max(len(place.areas) for place in places)
        shapes = {
            "mix": (silos, n),
            "mix_error": (silos, n),
            "level": (silos,),
            "level_error": (silos,),
            "dispersion": (len(PERIODS),),
        }
        wide = given["areas"].shape
        fits = all(given[name].shape == shape for name, shape in shapes.items())
        fits = fits and len(wide) == 3 and wide[:2] == (silos, len(departments)) and wide[2] >= slots
        if not fits or given["areas_error"].shape != wide:
            raise BundleError("demand: its arrays do not fit each other; publish the bundle again")
        if not all(np.isfinite(array).all() for array in given.values()):
            raise BundleError("demand: has values that are not finite numbers; publish the bundle again")
        return cls(places=places, end=end, departments=codes.astype(np.int64), **given)

    @property
    def silos(self) -> tuple[str, ...]:
        """Names of the silos that have forecasts."""
        return tuple(place.silo for place in self.places)

    def forecast(self, silo: str, days: float) -> Forecast:
        """Units of every area and item of a silo within `days` days. ConfigError for an unknown silo or days.

        Shares and level are taken to stay as they are. The variance of a cell is that of its buyers
        (dispersion x mean), that of the estimate, and that of a level which moves on until the middle of the
        horizon; the interval is a gamma law's of that mean and variance.
        """
        if silo not in self.silos:
            raise ConfigError(f"silo '{silo}' has no demand forecast; there are {', '.join(self.silos)}")
        if not 0.0 < days <= 366.0:
            raise ConfigError(f"a horizon of {days:g} days; give more than 0 and at most 366 days")
        row = self.silos.index(silo)
        names = self.places[row].areas
        shares = self.areas[row][self.departments, : len(names)].T.astype(np.float64)
        expected = self.level[row] * days * shares * self.mix[row]
        relative = self.areas_error[row][self.departments, : len(names)].T + self.mix_error[row]
        relative = relative.astype(np.float64) + self.level_error[row]
        moved = DRIFT * (LEVEL_AGE + days / DAYS / 2.0)
        relative = UNDERSTATED * relative + moved**2
        variance = self._dispersion(days) * expected + relative * expected**2
        low, high = _gamma_tenths(expected, variance)
        return Forecast(days, names, expected, low, high)

    def _dispersion(self, days: float) -> float:
        return float(np.interp(np.log(days / DAYS), np.log(PERIODS), self.dispersion))


def described(places: Sequence[Place], end: int) -> NDArray[np.uint8]:
    """Silos, areas and the end day as the bytes of a JSON text; uint8 [bytes]."""
    text = json.dumps({"silos": [[place.silo, list(place.areas)] for place in places], "end": end})
    return np.frombuffer(text.encode(), np.uint8)


def _read(text: NDArray[np.uint8]) -> tuple[tuple[Place, ...], int]:
    try:
        fields = json.loads(text.astype(np.uint8).tobytes())
        places = tuple(Place(str(name), tuple(map(str, areas))) for name, areas in fields["silos"])
        end = int(fields["end"])
    except (ValueError, KeyError, TypeError):
        raise BundleError("demand: its places cannot be read; publish the bundle again") from None
    if not places or not all(place.areas for place in places):
        raise BundleError("demand: it has no silo, or one without areas; publish the bundle again")
    return places, end


def _gamma_tenths(
    mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first and last tenth of gamma laws by the cube root's near-normality (Wilson and Hilferty 1931)."""
    inverse = variance / np.maximum(mean, 1e-12) ** 2 / 9.0  # 1 / (9 shape)
    root = np.sqrt(inverse)
    low = mean * np.maximum(1.0 - inverse + TENTH * root, 0.0) ** 3
    high = mean * np.maximum(1.0 - inverse - TENTH * root, 0.0) ** 3
    return np.where(mean > 0.0, low, 0.0), np.where(mean > 0.0, high, 0.0)
