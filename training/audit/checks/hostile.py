"""The towers' sum where a server chooses parameters under which rounding could tie customers together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys.features.items import ItemFeatures
from recsys.features.sequences import Sequences
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.plan import DpSgdPlan
from recsys.towers.two_tower import TowerConfig, table_shape
from training.audit.checks.frozen import SameForAll, given
from training.audit.checks.sensitivity import ROUNDED, SLACK
from training.audit.finding import Finding
from training.engine import Engine
from training.objective import LARGEST_PARAMETER, Objective

N_ITEMS, BRANDS, LENGTH, CUSTOMERS, DIM = 300, 7, 30, 300, 8
SCALES = (1.0, 1e3, 0.9 * LARGEST_PARAMETER)
STEP = DpSgdPlan(clip_norm=0.3, noise_multiplier=1.0, sampling_rate=1.0, steps=1)


def exactness_of_steps() -> list[Finding]:
    """f(D) - f(D - a) - f(D - b) + f(D - a - b) of a step, and its move by one customer, to float64."""
    objective, found = _objective(), list[Finding]()
    engine = Engine(objective)
    for scale in SCALES:
        for words, parameters, everybody in _situations(objective, scale):
            rows = np.arange(CUSTOMERS)
            kept = [rows, rows[1:], rows[:-1], rows[1:-1]]
            whole, no_a, no_b, neither = (_sum(engine, parameters, _some(everybody, k)) for k in kept)
            changed = float(np.linalg.norm(whole - no_a - no_b + neither))
            moved = max(float(np.linalg.norm(whole - less)) for less in (no_a, no_b))
            where = f"{words}, parameters of size {scale:g}"
            found += [
                _finding(changed, ROUNDED * STEP.clip_norm, f"{where}: one customer's part moves by"),
                _finding(moved, STEP.clip_norm * (1 + SLACK), f"{where}: a customer moves the sum by"),
            ]
    return found


def _objective() -> Objective:
    random = np.random.default_rng(5)
    brands = random.integers(N_ITEMS, N_ITEMS + BRANDS, (N_ITEMS, 2))
    features = ItemFeatures(np.concatenate([np.arange(N_ITEMS)[:, None], brands], 1), N_ITEMS + BRANDS)
    config = TowerConfig(embedding_dim=DIM, negatives=N_ITEMS, item_scale=1.0, feature_scale=0.0)
    return Objective(features, config, np.log(random.dirichlet(np.ones(N_ITEMS))).astype(np.float32))


def _situations(objective: Objective, scale: float) -> Iterator[tuple[str, NDArray[np.float32], Sequences]]:
    """Rows a few last bits apart, so that each comparison is rounding's; and customers who are all alike."""
    random = np.random.default_rng(7)
    shape = table_shape(objective.features, objective.config)
    bits = 1 + random.integers(-8, 9, size=shape) * 2.0**-23
    alike = (random.uniform(-0.9, 0.9, shape[1]) * scale * bits).astype(np.float32).ravel()
    apart = (random.normal(size=shape) * scale / 6).astype(np.float32).ravel()
    customers = _customers(random)
    same = Sequences(
        np.tile(customers.ids[:1], (CUSTOMERS, 1)), np.tile(customers.weights[:1], (CUSTOMERS, 1))
    )
    yield "nearly equal rows", np.clip(alike, -LARGEST_PARAMETER, LARGEST_PARAMETER), customers
    yield "random rows", np.clip(apart, -LARGEST_PARAMETER, LARGEST_PARAMETER), customers
    yield "customers who are all alike", np.clip(apart, -LARGEST_PARAMETER, LARGEST_PARAMETER), same


def _customers(random: np.random.Generator) -> Sequences:
    ids = random.random((CUSTOMERS, N_ITEMS)).argsort(1)[:, :LENGTH].astype(np.int64)
    weights = random.random(ids.shape)
    return Sequences(ids, (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32))


def _some(everybody: Sequences, rows: NDArray[np.int64]) -> Sequences:
    return Sequences(everybody.ids[rows], everybody.weights[rows])


def _sum(engine: Engine, parameters: NDArray[np.float32], some: Sequences) -> NDArray[np.float64]:
    """The step's clipped sum to float64's precision, as in `frozen.exact`."""

    def step(noise: SecureNoise) -> NDArray[np.float64]:
        found = engine.noised_gradient(parameters, some, STEP, noise, rng=SameForAll())
        return found.values.astype(np.float64)

    first = step(given(np.zeros(len(parameters)))())
    return first + step(given(-first)())


def _finding(measured: float, bound: float, words: str) -> Finding:
    ok = bool(np.isfinite(measured) and measured <= bound)
    return Finding("exactness of steps", ok, measured, bound, f"{words} {measured:.2e} of {bound:.2g}")
