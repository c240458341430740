"""The world's law for somebody who has to learn each staple's cycle from its purchases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from experiments.replenishment.oracle import AT_ONCE, Law, Passed, lasting
from recsys.silos.simulator.catalogue import Goods

CYCLES = 15
LEAST = 1e-12
Floats = NDArray[np.float64]


def learned(law: Law, goods: Goods) -> Law:
    """The law without its staples' cycles: beliefs about them, by what is usual and what was bought.

    Bayes' rule with the generating model's own likelihood: all that can be known of a staple from its own
    purchases and the customer's trips. The prior is log-normal around the item's public cycle, with the mean
    and spread that staples truly have.
    """
    staples = law.shopping.staples
    usual = np.log(goods.cycle_days[staples.item])
    apart = np.log(staples.cycle) - usual
    steps = ndtri((np.arange(CYCLES) + 0.5) / CYCLES)
    cycles = np.exp(usual[:, None] + apart.mean() + apart.std() * steps)
    log = _log_likelihood(law, cycles)
    beliefs = np.exp(log - log.max(axis=1, keepdims=True))
    return replace(law, cycles=cycles, beliefs=beliefs / beliefs.sum(axis=1, keepdims=True))


def _log_likelihood(law: Law, cycles: Floats) -> Floats:
    """Of all purchases after a staple's first one, up to what does not depend on the cycle; [s, CYCLES]."""
    bought = law.shopping.restocking
    order = np.lexsort((bought.day, bought.staple))
    staple, day, units = bought.staple[order], bought.day[order], bought.units[order]
    again = np.flatnonzero(staple[1:] == staple[:-1])
    passed, factors = Passed.of(law.config, law.shopping), lasting(law.config)
    total = np.zeros_like(cycles)
    for start in range(0, len(again), AT_ONCE):
        before = again[start : start + AT_ONCE]
        rows, now = staple[before], day[before + 1]
        cycle = cycles[rows] * units[before][:, None]
        due = (day[before][:, None, None] + cycle[:, :, None] * factors).reshape(len(rows), -1)
        first = np.maximum(np.ceil(due), day[before][:, None] + 1.0)
        chance = np.exp(passed.between(rows, first, now)) * (first <= now[:, None])
        mean = chance.reshape(*cycle.shape, -1).mean(axis=2)
        np.add.at(total, rows, np.log(np.maximum(mean, LEAST)))
    return total
