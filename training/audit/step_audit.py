"""The step audit: one release of the real code at a time, with and without a canary, many times.

Guarantee of the test, not of the product: a claim that holds is contradicted in at most the stated part of
audits. The canary's inclusion is forced (rate 1), so that the bound has teeth; the sampler is audited apart.
Source: Nasr et al. (2023), "Tight auditing of differentially private machine learning".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from training.audit.bounds import gaussian_epsilon, gaussian_mu, mu_lower_bound
from training.audit.canaries import CanaryWorld
from training.audit.finding import Finding
from training.engine import Engine

CONFIDENT = 0.05  # significance of the bound that the report shows
FALSE_ALARM = 1e-6  # significance at which a build fails
TEETH = 0.6  # share of the claim that the attack on a correct build has to reach
ENOUGH = 44.0  # mu * sqrt(trials) from which missing TEETH by chance is rarer than FALSE_ALARM
OTHERS = 6
CLIP_NORM = 0.1

Score = Callable[[bool], float]
"""One trial: the release is made with the canary or without, and scored along the canary's direction."""


@dataclass(frozen=True)
class StepResult:
    """What one attack found. `claim`: epsilon of the audited step at delta; trials: in each of two worlds.

    bound: the epsilon that the attack proves with 95 % confidence; alarm: with 1 - 1e-6
    """

    mechanism: str
    claim: float
    delta: float
    trials: int
    false_alarms: int
    misses: int
    bound: float
    alarm: float

    @property
    def has_teeth(self) -> bool | None:
        """Whether the bound reaches 0.6 of the claim; None where there are too few trials to ask for it."""
        if self.trials < enough_trials(self.claim, self.delta):
            return None
        return self.bound >= TEETH * self.claim

    @property
    def finding(self) -> Finding:
        """The claim is contradicted only at a false-alarm rate of 1e-6; a blunt attack proves nothing."""
        words = (
            f"{self.mechanism}: an attack on one release proves epsilon >= {self.bound:.2f} of "
            f"{self.claim:g} claimed (95 %, {self.trials:,} trials with and without the canary)"
        )
        ok = self.alarm <= self.claim and self.has_teeth is not False
        return Finding(f"step.{self.mechanism}.{self.claim:g}", ok, self.bound, self.claim, words)


def enough_trials(claim: float, delta: float) -> int:
    """From how many trials on an attack on a correct build surely reaches 0.6 of the claim."""
    return math.ceil((ENOUGH / gaussian_mu(claim, delta)) ** 2)


def step_audit(
    mechanism: str,
    score: Score,
    threshold: float,
    *,
    claim: float,
    delta: float,
    trials: int,
    progress: Callable[[int], None] = lambda _: None,
) -> StepResult:
    """Run `trials` releases in each world, say "in" above the threshold, which was fixed beforehand."""
    false_alarms = misses = 0
    for number in range(1, trials + 1):
        false_alarms += score(False) > threshold
        misses += score(True) <= threshold
        progress(number)
    bounds = [
        gaussian_epsilon(mu_lower_bound(false_alarms, misses, trials, significance), delta)
        for significance in (CONFIDENT, FALSE_ALARM)
    ]
    return StepResult(mechanism, claim, delta, trials, false_alarms, misses, *bounds)


def tower_score(
    claim: float, delta: float, noise: Callable[[], SecureNoise] = SecureNoise
) -> tuple[Score, float]:
    """One step of the real engine, every customer in it, as a trial; and the midpoint as its threshold.

    The plan's noise is exactly that of the Gaussian mechanism of epsilon `claim` at delta. noise: makes a
    trial's source, a new one for each release as in `training.spend`; tests give a broken one.
    """
    world = CanaryWorld(OTHERS + 1)
    # Physical batches are padded to one size: one that fits makes a trial many times faster.
    engine, parameters = Engine(world.objective, max_physical_batch=world.count), world.parameters()
    plan = DpSgdPlan(CLIP_NORM, 1 / gaussian_mu(claim, delta), sampling_rate=1.0, steps=1)
    with_it = np.ones(world.count, np.bool_)
    without = with_it.copy()
    without[0] = False
    worlds = {True: world.sequences(with_it), False: world.sequences(without)}

    def score(inside: bool) -> float:
        step = engine.noised_gradient(parameters, worlds[inside], plan, noise())
        return float(world.scores(step.values, parameters)[0])

    return score, plan.clip_norm / 2
