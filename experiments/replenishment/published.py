"""What a published bundle's interval model says of pairs."""

from __future__ import annotations

import numpy as np

from experiments.replenishment.forecast import Forecast
from experiments.replenishment.pairs import Pairs
from recsys.bundle.contents import Bundle
from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.models.replenishment import HORIZONS, IntervalModel


def published_forecast(bundle: Bundle, known: Histories, pairs: Pairs) -> Forecast:
    """The chances and dates of the model that serving would use.

    A pair that the model leaves out, as a need that is over, has chance 0 and no date.
    """
    now = pairs.day * SECONDS_PER_DAY - known.utc_offset_seconds
    needs = IntervalModel.from_arrays(bundle.intervals, bundle.catalogue).needs(known, now)
    keys = needs.customers * pairs.n_items + needs.items
    place = np.searchsorted(pairs.keys, keys)
    place = np.minimum(place, max(len(pairs) - 1, 0))
    same = pairs.keys[place] == keys
    place, needs = place[same], needs.where(same)
    chances = np.zeros((len(pairs), len(HORIZONS)))
    chances[place] = needs.chances
    dates = np.full((3, len(pairs)), np.nan)
    for row, moments in enumerate((needs.expected, needs.low, needs.high)):
        dates[row, place] = np.maximum((moments - now) / SECONDS_PER_DAY, 0.0)
    return Forecast(chances, *dates)
