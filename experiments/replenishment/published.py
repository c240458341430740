"""What a published bundle's interval model says of pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.replenishment.forecast import Forecast
from experiments.replenishment.methods import Answer
from experiments.replenishment.pairs import Pairs
from recsys.bundle.contents import Bundle
from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.models.replenishment import HORIZONS, IntervalModel, Needs
from recsys.recommend.due import NO_SIGNAL, DueItems
from recsys.recommend.list_order import list_scores


def published_forecast(bundle: Bundle, known: Histories, pairs: Pairs) -> Forecast:
    """The chances and dates of the model that serving would use.

    A pair that the model leaves out, as a need that is over, has chance 0 and no date.
    """
    return _forecast(*_needs(bundle, known, pairs), known, pairs)


def published_answer(bundle: Bundle, known: Histories, pairs: Pairs, days: float) -> Answer:
    """The same, and the scores by which serving ranks a list of what is due within so many days.

    A pair that the model leaves out is not listed: its score is NaN.
    """
    needs, place = _needs(bundle, known, pairs)
    scores = np.full(len(pairs), np.nan)
    quiet = DueItems(needs, np.full(len(needs), NO_SIGNAL), np.zeros(len(needs), np.bool_))
    scores[place] = list_scores(quiet, known, bundle.log_popularity, days)
    return Answer(_forecast(needs, place, known, pairs), list_scores=scores)


def _needs(bundle: Bundle, known: Histories, pairs: Pairs) -> tuple[Needs, NDArray[np.int64]]:
    """The model's needs, and the place of each among the pairs."""
    needs = IntervalModel.from_arrays(bundle.intervals, bundle.catalogue).needs(known, _now(known, pairs))
    keys = needs.customers * pairs.n_items + needs.items
    place = np.searchsorted(pairs.keys, keys)
    place = np.minimum(place, max(len(pairs) - 1, 0))
    same = pairs.keys[place] == keys
    return needs.where(same), place[same]


def _now(known: Histories, pairs: Pairs) -> int:
    return pairs.day * SECONDS_PER_DAY - known.utc_offset_seconds


def _forecast(needs: Needs, place: NDArray[np.int64], known: Histories, pairs: Pairs) -> Forecast:
    now = _now(known, pairs)
    chances = np.zeros((len(pairs), len(HORIZONS)))
    chances[place] = needs.chances
    dates = np.full((3, len(pairs)), np.nan)
    for row, moments in enumerate((needs.expected, needs.low, needs.high)):
        dates[row, place] = np.maximum((moments - now) / SECONDS_PER_DAY, 0.0)
    return Forecast(chances, *dates)
