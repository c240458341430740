"""What the guesses of one run prove: against an (epsilon, delta) claim, and against its whole curve.

m canaries are each in the data by a fair coin of their own. From all that leaves the run the attack guesses
some canaries' coins and abstains from the rest; the number of right guesses is the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from training.audit.profile import TradeOff

SEARCH_STEPS = 30
SMALLEST_P = 1e-30
CANDIDATES, ZOOMS = 64, 3


def epsilon_delta_p_value(right: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """The chance of so many right guesses under (epsilon, delta)-DP (Steinke, Nasr & Jagielski 2023).

    With q = 1 / (1 + e^-eps), beta = P[Bin(r, q) >= v] and alpha = max over i in 1..v of
    (P[Bin(r, q) >= v - i] - beta) / i: at most min(1, beta + 2 m delta alpha).
    """
    q = 1 / (1 + np.exp(-epsilon))
    beta = float(binom.sf(right - 1, guesses, q))
    i = np.arange(1, right + 1)
    alpha = float(((binom.sf(right - i - 1, guesses, q) - beta) / i).max(initial=0.0))
    return min(1.0, beta + 2 * canaries * delta * alpha)


def epsilon_delta_bound(right: int, guesses: int, canaries: int, delta: float, significance: float) -> float:
    """The largest epsilon that these guesses reject; 0 if they reject none.

    With r guesses it can't exceed the epsilon with q^r = significance, however perfect the attack is.
    """

    low, high = 0.0, 50.0
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        rejected = epsilon_delta_p_value(right, guesses, canaries, middle, delta) < significance
        low, high = (middle, high) if rejected else (low, middle)
    return low


def curve_p_value(right: int, guesses: int, canaries: int, claim: TradeOff) -> float:
    """The largest chance that a run under this claim gives `right` or more right guesses.

    The idea is that of Mahloujifar, Melis & Chaudhuri (2024, "Auditing f-differential privacy in one run").
    Let p_k be the chance of exactly k right among c' guesses. Fix all coins but canary j's; the other coins
    and their guesses are post-processing, so for the event "j is guessed in, and at least i - 1 others are
    right" f-DP bounds its chance with j in by 1 - f of its chance with j out, and likewise with the roles
    exchanged. As 1 - f is concave, the mean of both gives
        Pr[j right, at least i - 1 others right] <= (1 - f)(Pr[j wrong, at least i - 1 others right]),
    and the mean over the m canaries
        sum_{k >= i} k/m p_k <= (1 - f)(sum_{k >= i-1} (c' - k)/m p_k)        for every i.
    Given a chance tau of at least c right, the least total of all p_k that keeps this for i = c, ..., 1 puts
    tau at exactly c and then, from above to below, only what each line needs: moving mass from k to k - 1
    lowers every left side and raises every right side below. If that total exceeds 1, tau is impossible.
    Impossible chances are an interval that ends at 1 (scaling down keeps every line, since f(0) <= 1).

    No test from f-DP alone gets far below this: a mechanism that betrays many canaries at once, but seldom,
    keeps the same curve. `training.audit.separation` is sharper where canaries' noise is independent.

    right: c, of `guesses` c' >= 1 and of `canaries` m. The result is never below the exact largest tau by
    more than rounding of float64, and above it by less than 1 %; at least 1e-30.
    """
    if right == 0:
        return 1.0
    low, high = np.log(SMALLEST_P), 0.0
    for _ in range(ZOOMS):
        candidates = np.linspace(low, high, CANDIDATES)
        impossible = _total(np.exp(candidates), right, guesses, canaries, claim) > 1.0
        first = int(impossible.argmax()) if impossible.any() else CANDIDATES - 1
        low, high = candidates[max(first - 1, 0)], candidates[first]
    return float(np.exp(high))


def curve_rejects(
    tried: Sequence[tuple[int, int]], canaries: int, claim: TradeOff, significance: float
) -> bool:
    """Whether one of several sets of guesses, (right, guesses) each, shows that a run is not under the claim.

    The significance is divided by the number of sets.
    """
    tau = np.array([significance / len(tried)])
    return any(
        right > 0 and float(_total(tau, right, guesses, canaries, claim)[0]) > 1.0 for right, guesses in tried
    )


def _total(
    tau: NDArray[np.float64], right: int, guesses: int, canaries: int, claim: TradeOff
) -> NDArray[np.float64]:
    """The least total probability under which `right` or more right guesses have chance tau; [len(tau)].

    hits, wrongs: the sums of k/m p_k and of (c' - k)/m p_k so far.
    """
    hits, wrongs = tau * right / canaries, tau * (guesses - right) / canaries
    for k in range(right - 1, -1, -1):
        added = np.maximum(claim.needed(hits) - wrongs, 0.0)
        hits = hits + added * (k / (guesses - k))
        wrongs = wrongs + added
    return np.asarray((hits + wrongs) * (canaries / guesses))
