"""Noise as it leaves the silo, against the noise that the silo's ledger was charged for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from recsys.privacy.ledger import Row
from recsys.privacy.plan import DpSgdPlan
from training import loading, scopes
from training.audit.checks.bench import SUMS, bench
from training.audit.checks.frozen import SameForAll, Unreleased, frozen_choices
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.config import TOWERS
from training.engine import Engine
from training.objective import Objective

FALSE_ALARM = 1e-8  # of one comparison
REPEATS = 12

EVERYONE = DpSgdPlan(clip_norm=0.05, noise_multiplier=57.3, sampling_rate=1.0, steps=1)
NOBODY = DpSgdPlan(clip_norm=0.3, noise_multiplier=4.7, sampling_rate=1e-6, steps=1)


def noise_of_sums() -> list[Finding]:
    """Every noised sum, released again and again: only its noise changes."""
    world = bench()
    subject, plan, found = Subject(world), world.plan(NOBODY), list[Finding]()
    for name in SUMS:
        subject.new_books()
        values = subject.repeated(name, plan, REPEATS)
        found.append(_against_ledger(f"noise of {name}", values, subject.charges()[-1]))
    return found


def noise_of_steps() -> list[Finding]:
    """The towers' steps with everyone in the batch, and every row of the table for itself."""
    return _noise_of_towers(EVERYONE, "everyone in the batch")


def noise_of_empty_batches() -> list[Finding]:
    """The towers' steps with nobody in the batch."""
    return _noise_of_towers(NOBODY, "nobody in the batch")


def noise_of_chunked_steps() -> list[Finding]:
    """The towers' steps in small physical batches: noise belongs to the step, not to the chunk."""
    world = bench()
    node = Subject(world).node
    federation = world.federation
    data = loading.load(
        node.silo,
        world.catalogue,
        world.settings,
        max_silos_per_person=federation.max_silos_per_person,
        silos=len(federation.silos),
    )
    popularity = np.log(world.published).astype(np.float32)
    objective = Objective(data.features, scopes.tower_config(world.settings.towers), popularity)
    engine, noise = Engine(objective, max_physical_batch=16), Unreleased()
    steps = [
        engine.noised_gradient(world.parameters, data.sequences, EVERYONE, noise, rng=SameForAll()).values
        for _ in range(REPEATS)
    ]
    return [_compared("noise of a step in chunks", np.stack(steps).astype(np.float64), EVERYONE.noise_std)]


def _noise_of_towers(step: DpSgdPlan, words: str) -> list[Finding]:
    world = bench()
    subject = Subject(world)
    with frozen_choices():
        values = subject.repeated(TOWERS, world.plan(step), REPEATS)
    charged = subject.charges()[-1]
    whole = _against_ledger(f"noise of the towers, {words}", values, charged)
    rows = values.reshape(len(values), world.features.table_size, -1).transpose(1, 0, 2)
    estimates = [_compared("", row, _charged_std(charged), FALSE_ALARM / len(rows)) for row in rows]
    quietest = min(range(len(rows)), key=lambda row: estimates[row].measured)
    name = f"noise of the quietest row of the table ({quietest} of {len(rows)}), {words}"
    found = estimates[quietest]
    ok = all(estimate.ok for estimate in estimates)
    return [whole, Finding(found.check, ok, found.measured, found.bound, f"{name}: {found.words}")]


def _against_ledger(what: str, values: NDArray[np.float64], charged: Row) -> Finding:
    return _compared(what, values, _charged_std(charged))


def _charged_std(charged: Row) -> float:
    if charged.event is None or charged.clip_norm is None:
        return math.nan
    return charged.event.noise_multiplier * charged.clip_norm


def _compared(
    what: str, values: NDArray[np.float64], std: float, false_alarm: float = FALSE_ALARM
) -> Finding:
    """values: [repeats, n], equal but for noise. Their variance about the mean is chi-squared."""
    freedom = values[0].size * (len(values) - 1)
    spread = float(np.square(values - values.mean(axis=0)).sum())
    low, high = (math.sqrt(chi2.ppf(p, freedom) / freedom) for p in (false_alarm / 2, 1 - false_alarm / 2))
    ratio = math.sqrt(spread / freedom) / std
    words = f"{what}: {ratio:.4f} of what the ledger was charged for; chance allows {low:.3f} to {high:.3f}"
    return Finding("noise", low <= ratio <= high, ratio, low, words.removeprefix(": "))
