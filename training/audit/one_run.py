"""The one-run audit: thousands of canaries in one training, each by a fair coin; who was in?

The attack sees what the claim's adversary sees, every noised sum of every step, and scores each canary by
its likelihood ratio. What runs is the real engine with its Poisson sampler, the real mean over the public
divisor and the real server optimizer, under a plan that `calibrate` made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.errors import PlanError
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.plan import TOWERS, DpSgdPlan, PrivacyPlan, calibrate
from training.aggregation import mean_gradient
from training.audit.canaries import CanaryWorld
from training.audit.finding import Finding
from training.audit.one_run_bounds import curve_p_value, curve_rejects, epsilon_delta_bound
from training.audit.profile import TradeOff, largest_rejected, trade_off
from training.audit.separation import separation_p_value, separation_rejects
from training.audit.step_audit import CONFIDENT, FALSE_ALARM
from training.engine import Engine
from training.server_optimizer import ServerAdam

SILO = "canaries"
CLIP_NORM, LEARNING_RATE = 0.1, 0.01
SAMPLING_RATE, STEPS = 0.3, 40
GUESSED = (0.2,)  # shares of canaries that are guessed, fixed beforehand; half of them "in", half "out"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Attacked:
    """What the attack has after one run: each canary's score (float64 [m]) and its coin (bool [m])."""

    scores: NDArray[np.float64]
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class OneRunResult:
    """What one run proves about the claim, `claim` epsilon at delta.

    guesses: (right, guessed) for each share of GUESSED
    epsilon_bound: lower bound at 95 % from the guesses, for any (epsilon, delta)-DP mechanism
    curve_bound: lower bound at 95 % from the guesses, for any mechanism with the claim's trade-off curve
    separation_bound: lower bound at 95 % from all scores, as canaries' noise is independent
    curve_p, separation_p: how likely such guesses, such scores are at most under the claim
    """

    claim: float
    delta: float
    canaries: int
    steps: int
    guesses: tuple[tuple[int, int], ...]
    epsilon_bound: float
    curve_bound: float
    separation_bound: float
    curve_p: float
    separation_p: float

    @property
    def bound(self) -> float:
        """The best of the three bounds, each at 95 %."""
        return max(self.epsilon_bound, self.curve_bound, self.separation_bound)

    @property
    def finding(self) -> Finding:
        """The claim is contradicted only at a false-alarm rate of 1e-6, shared by the two tests."""
        words = (
            f"one run with {self.canaries:,} canaries proves epsilon >= {self.bound:.2f} of {self.claim:g} "
            f"claimed (95 %; p = {self.curve_p:.2g} from guesses, {self.separation_p:.2g} from all scores)"
        )
        ok = min(self.curve_p, self.separation_p) >= FALSE_ALARM / 2
        return Finding(f"one-run.{self.claim:g}", ok, self.bound, self.claim, words)

    @property
    def exposes(self) -> bool:
        """Whether the run shows at 95 % that the build does not keep the claim."""
        return min(self.curve_p, self.separation_p) < CONFIDENT / 2


def one_run_plan(claim: float, delta: float, canaries: int, steps: int = STEPS) -> PrivacyPlan:
    """The towers' plan of epsilon `claim` at delta, for a silo of so many registered customers."""
    return calibrate(
        target_epsilon=claim,
        delta=delta,
        max_silos_per_person=1,
        registered_customers={SILO: canaries},
        shares={TOWERS: 1.0},
        clip_norms={TOWERS: CLIP_NORM},
        sampling_rate=SAMPLING_RATE,
        steps=steps,
    )


def attacked_run(
    world: CanaryWorld,
    plan: PrivacyPlan,
    *,
    noise: Callable[[], SecureNoise] = SecureNoise,
    progress: Progress = lambda _done, _total: None,
) -> Attacked:
    """Train on the canaries whose coin fell "in", and score all of them from what the silo sent.

    plan: must have towers. noise: makes a step's source, a new one each time as in `training.spend`; tests
    give broken ones.
    """
    dpsgd = plan.dpsgd
    if dpsgd is None:
        raise PlanError("the plan has no towers to attack; give 'towers' a share above 0")
    random = np.random.default_rng()
    inside = random.random(world.count) < 0.5
    sequences, engine = world.sequences(inside), Engine(world.objective)
    # A public start of this run's own makes canaries identically distributed, as the statistics ask for.
    parameters = world.parameters(int(random.integers(2**32)))
    optimizer = ServerAdam(LEARNING_RATE, dpsgd.steps)
    scores = np.zeros(world.count)
    for step in range(dpsgd.steps):
        sent = engine.noised_gradient(parameters, sequences, dpsgd, noise()).values
        scores += log_likelihood_ratio(world.scores(sent, parameters), dpsgd)
        parameters = optimizer.step(parameters, mean_gradient({SILO: sent}, plan))
        progress(step + 1, dpsgd.steps)
    return Attacked(scores, inside)


def log_likelihood_ratio(found: NDArray[np.float64], plan: DpSgdPlan) -> NDArray[np.float64]:
    """log of how much likelier a step's score s is with the canary in the data set than without; [m].

    log(1 - q + q exp((s C - C^2 / 2) / std^2)) for a canary that adds C along its direction in a share q of
    the steps, under Gaussian noise of this std.
    """
    gain = (found * plan.clip_norm - plan.clip_norm**2 / 2) / plan.noise_std**2
    absent = np.log1p(-plan.sampling_rate) if plan.sampling_rate < 1.0 else -np.inf
    return np.asarray(np.logaddexp(absent, np.log(plan.sampling_rate) + gain))


def judge(found: Attacked, plan: PrivacyPlan) -> OneRunResult:
    """Hold the attack's guesses and scores against the plan's claim."""
    canaries, tried = len(found.scores), guesses(found)
    events, delta = plan.events(), plan.delta

    def guesses_reject(weaker: TradeOff) -> bool:
        return curve_rejects(tried, canaries, weaker, CONFIDENT)

    def scores_reject(weaker: TradeOff) -> bool:
        return separation_rejects(found.scores, found.inside, weaker, CONFIDENT)

    each = CONFIDENT / len(tried)
    curve_p, separation_p = p_values(found, plan)
    return OneRunResult(
        claim=plan.target_epsilon,
        delta=delta,
        canaries=canaries,
        steps=plan.dpsgd.steps if plan.dpsgd else 0,
        guesses=tried,
        epsilon_bound=max(epsilon_delta_bound(r, n, canaries, delta, each) for r, n in tried),
        curve_bound=largest_rejected(guesses_reject, events, delta),
        separation_bound=largest_rejected(scores_reject, events, delta),
        curve_p=curve_p,
        separation_p=separation_p,
    )


def p_values(found: Attacked, plan: PrivacyPlan) -> tuple[float, float]:
    """How likely so many right guesses, and scores so far apart, are at most under the plan's claim."""
    claim, tried = trade_off(plan.events(), plan.delta), guesses(found)
    least = min(curve_p_value(right, guessed, len(found.scores), claim) for right, guessed in tried)
    return min(1.0, len(tried) * least), separation_p_value(found.scores, found.inside, claim)


def guesses(found: Attacked) -> tuple[tuple[int, int], ...]:
    """(right, guessed) when the top scores are called "in" and as many of the lowest "out"."""
    order = found.inside[np.argsort(-found.scores, kind="stable")]
    halves = [max(1, round(share * len(order) / 2)) for share in GUESSED]
    return tuple((int(order[:k].sum() + (~order[-k:]).sum()), 2 * k) for k in halves)
