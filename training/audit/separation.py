"""What the scores of independent canaries prove: how well they tell those inside from those outside.

Each canary has rows of the table of its own; the noise on them is drawn apart from all other noise (the noise
audit tests that), and they start as every other's do. Then scores are independent and identically distributed
given the coins, and their two distributions can be held against the claim's curve directly, with a confidence
that grows with the number of canaries.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training.audit.profile import TradeOff

THRESHOLDS = 500
HALVINGS = 50


def separation_rejects(
    scores: NDArray[np.float64], inside: NDArray[np.bool_], claim: TradeOff, significance: float
) -> bool:
    """Whether scores [m] tell canaries inside from those outside better than the claim allows.

    By Dvoretzky, Kiefer & Wolfowitz with the constant of Massart (1990), the true rates of scores above a
    threshold are, for all thresholds at once, not below (above) the observed ones by more than
    a = sqrt(log(1 / s) / (2 n)) in all but a part s of experiments. Half of the significance goes to the n
    inside, half to the n outside; rejected if at some threshold (1 - f)(observed outside + a) is less than
    (observed inside - a).
    """
    rates = _rates(scores, inside)
    return rates is not None and _rejects(*rates, claim, math.log(significance))


def separation_p_value(scores: NDArray[np.float64], inside: NDArray[np.bool_], claim: TradeOff) -> float:
    """The least significance at which the scores are rejected; at most 1."""
    rates = _rates(scores, inside)
    if rates is None or not _rejects(*rates, claim, 0.0):
        return 1.0
    low, high = -2.0 * len(scores), 0.0  # no margin beyond 1 can reject
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _rejects(*rates, claim, middle) else (middle, high)
    return math.exp(high)


def _rates(
    scores: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int] | None:
    """Shares of those inside and outside above up to 500 thresholds, and how many there are of each."""
    hits, alarms = np.sort(scores[inside]), np.sort(scores[~inside])
    if not len(hits) or not len(alarms):
        return None
    every = np.sort(scores)
    thresholds = every[np.linspace(0, len(every) - 1, min(THRESHOLDS, len(every))).astype(np.int64)]
    above = [1.0 - np.searchsorted(group, thresholds, side="right") / len(group) for group in (hits, alarms)]
    return above[0], above[1], len(hits), len(alarms)


def _rejects(
    power: NDArray[np.float64],
    alarms: NDArray[np.float64],
    n_inside: int,
    n_outside: int,
    claim: TradeOff,
    log_significance: float,
) -> bool:
    doubt = math.log(2.0) - log_significance
    surely = power - math.sqrt(doubt / (2 * n_inside))
    at_most = alarms + math.sqrt(doubt / (2 * n_outside))
    return bool(((surely > 0.0) & (claim.needed(surely) > at_most)).any())
