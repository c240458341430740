"""Make the public starting point of the hazard of buying again (`recsys/models/rhythm_start.py`).

Fitted by penalised maximum likelihood on simulated worlds alone: the world as it is, and shops with more
turnover, with rarer and more varied purchases, and with steadier habits.
`python -m experiments.rhythm_start` prints the module's numbers.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from recsys.models import intervals, popularity
from recsys.models.hazard import DIMENSIONS, LEAST_LOG, MOST_LOG, appeal
from recsys.models.rhythm import Public, looks
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from training.config import TrainingConfig
from training.loading import load

WORLDS: tuple[dict[str, Any], ...] = (
    {},
    {"leavers": 0.6, "newcomers": 0.4, "habits_ending": 0.6, "habits_forming": 0.5, "trips": 10.0},
    {
        "trips": 8.0,
        "staples": 15.0,
        "leavers": 0.5,
        "newcomers": 0.3,
        "habits_ending": 0.6,
        "habits_forming": 0.4,
        "variety": 6.0,
        "use_spread": 0.8,
        "double": 0.3,
    },
    {"use_spread": 0.25, "double": 0.3, "forget": 0.05, "top_ups": 0.2, "trips": 40.0},
)
COUNTS = (2.0, 1.0, 1.0, 1.0)  # how much each world counts: the world as it is, more
PERSONS, N_ITEMS, WEEKS, SEED = 2_500, 600, 52, 11
RIDGE, FLOOR = 20.0, 0.05
MASS, MAX_ITEMS = 20_000.0, 100
EPOCH = date(1970, 1, 1).toordinal()

Floats = NDArray[np.float64]


Rows = tuple[Floats, Floats, NDArray[np.bool_], Floats]


def main() -> None:
    """Simulate, fit, print."""
    worlds = [_world(changes, count) for changes, count in zip(WORLDS, COUNTS, strict=True)]
    columns, offsets, bought, weights = (np.concatenate(part) for part in zip(*worlds, strict=True))
    start = _fit(columns, offsets, bought, weights)
    expected = weights * np.exp(np.clip(columns @ start + offsets, LEAST_LOG, MOST_LOG))
    information = (columns * expected[:, None]).T @ columns / expected.sum()
    values, vectors = np.linalg.eigh(information + FLOOR * np.eye(DIMENSIONS))
    for name, numbers in (("START", start), ("WHITEN", vectors @ np.diag(values**-0.5) @ vectors.T)):
        print(f"{name} = np.array({np.round(numbers, 4).tolist()})")


def _world(changes: dict[str, Any], count: float) -> Rows:
    """All rows of all silos of a world, weighted as in training; statistics without noise: nobody is real."""
    plain = WorldConfig.disjoint(4, persons=PERSONS, n_items=N_ITEMS, seed=SEED)
    with tempfile.TemporaryDirectory() as folder:
        config = replace(plain, weeks=WEEKS, **changes)
        write_world(config, Path(folder))
        federation = FederationConfig.load(Path(folder) / "federation.toml")
        catalogue, silos = federation.read_catalogue(), federation.silo_configs()
        settings = TrainingConfig().silo_settings(ordered=True)
        data = [
            load(silo.training_silo(), catalogue, settings, max_silos_per_person=1, silos=len(silos))
            for silo in silos
        ]
    histories = [part.dataset.histories for part in data]
    gaps = intervals.fit(np.sum([intervals.contribution(h, catalogue) for h in histories], axis=0), 0.0)
    sets = [popularity.contribution(h, len(catalogue), MAX_ITEMS) for h in histories]
    end = (config.last_day.toordinal() + 1) - EPOCH
    public = Public(
        usual=gaps.mean[catalogue.category_codes[0]],
        appeals=appeal(popularity.posterior(np.sum(sets, axis=0), 0.0)),
        used_up=intervals.consumables(catalogue),
        end=end,
    )
    parts = [_weighted(*map(np.concatenate, zip(*looks(h, public), strict=True))) for h in histories]
    columns, offsets, bought, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    return columns, offsets, bought, weights * (MASS * count / weights.sum())


def _weighted(
    customers: NDArray[np.int64], columns: Floats, widths: Floats, bought: NDArray[np.bool_]
) -> Rows:
    sizes = np.bincount(customers)
    return columns, np.log(widths), bought, 1.0 / np.sqrt(sizes[customers])


def _fit(columns: Floats, offsets: Floats, bought: NDArray[np.bool_], weights: Floats) -> Floats:
    """Weighted maximum likelihood with a ridge on all but the level."""
    ridge = np.full(DIMENSIONS, RIDGE)
    ridge[0] = 0.0

    def loss(theta: Floats) -> tuple[float, Floats]:
        log_expected = np.clip(columns @ theta + offsets, LEAST_LOG, MOST_LOG)
        expected = np.exp(log_expected)
        odds = np.maximum(np.expm1(expected), 1e-12)
        likelihood = np.where(bought, np.log(odds) - expected, -expected)
        slope = np.where(bought, expected / odds, -expected)
        value = -(weights * likelihood).sum() + (ridge * theta**2).sum() / 2
        return float(value), ridge * theta - columns.T @ (weights * slope)

    first = np.zeros(DIMENSIONS)
    first[0] = -4.5
    return np.asarray(minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x)


if __name__ == "__main__":
    main()
