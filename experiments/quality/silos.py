"""The training side of a trial as silos on disk: customers dealt by a rule, or purchases by a column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.dealing import EPSILON_CAP, Part, Rules, hashed_silos, write_silos
from experiments.quality.tables import Purchases
from experiments.quality.trial import Trial
from recsys.data.history import Histories

HASH_RULE = "each customer is in one silo by a hash of the customer id, a public rule: the silos are disjoint"


@dataclass(frozen=True)
class Budget:
    """The promise of a run: person-level epsilon at delta."""

    epsilon: float
    delta: float


@dataclass(frozen=True)
class Dealt:
    """Silos on disk.

    federation: path of federation.toml; names: of the silos; max_silos_per_person: the bound that is composed
    rule: how customers came into silos, for the reader; silo_of: int64 [evaluated customers], the silo where
    each one shops (with a column: where the target was bought)
    """

    federation: Path
    names: tuple[str, ...]
    max_silos_per_person: int
    rule: str
    silo_of: NDArray[np.int64]


def deal_customers(data: Purchases, trial: Trial, silos: int, budget: Budget, folder: Path) -> Dealt:
    """Silos of whole customers."""
    silo_of = hashed_silos(data.customer_ids, silos)
    parts = []
    for silo in range(silos):
        members = trial.learners[silo_of[trial.learners] == silo]
        histories = trial.histories.where(trial.train).select(members)
        parts.append(_part(f"silo-{silo}", data, members, np.ones(len(members), np.int64), histories))
    return _written(data, parts, 1, HASH_RULE, silo_of[trial.customers], budget, folder)


def deal_purchases(data: Purchases, trial: Trial, bound: int, budget: Budget, folder: Path) -> Dealt:
    """Silos by a column of the purchases: a customer may be in several, and trains in at most `bound`.

    A person's silos are ranked by how much of that person's purchases they hold, which the person alone
    decides; silos beyond the bound drop the person before training.
    """
    bound = min(bound, len(data.silo_names))
    ranks = _ranks(data, trial)
    parts = []
    for silo, name in enumerate(data.silo_names):
        members = np.flatnonzero(ranks[:, silo] > 0)
        histories = trial.histories.where(trial.train & (data.silos == silo)).select(members)
        parts.append(_part(name, data, members, ranks[members, silo], histories))
    several = int((ranks > 0).sum(1).max(initial=0))
    rule = (
        f"silos by a column; persons are in up to {several}, and each one's records train in the {bound} "
        f"that hold most of them (person_rank), over which epsilon is composed"
    )
    return _written(data, parts, bound, rule, _target_silo(data, trial), budget, folder)


def _ranks(data: Purchases, trial: Trial) -> NDArray[np.int64]:
    """A silo's place among a person's, from 1, 0 where the person is not in it; int64 [customers, silos]."""
    counts = np.zeros((len(trial.histories), len(data.silo_names)), np.int64)
    np.add.at(counts, (trial.histories.rows[trial.train], data.silos[trial.train]), 1)
    places = np.argsort(np.argsort(-counts, axis=1, kind="stable"), axis=1, kind="stable") + 1
    return np.where(counts > 0, places, 0)


def _target_silo(data: Purchases, trial: Trial) -> NDArray[np.int64]:
    silo_of = np.zeros(len(trial.histories), np.int64)
    silo_of[trial.histories.rows[trial.target]] = data.silos[trial.target]
    return silo_of[trial.customers]


def _part(
    name: str, data: Purchases, members: NDArray[np.int64], ranks: NDArray[np.int64], histories: Histories
) -> Part:
    return Part(name, data.customer_ids[members].astype(str), ranks, histories, _rounded(len(members)))


def _rounded(customers: int) -> int:
    """A public constant near the number of customers: two significant digits, upwards."""
    unit: int = 10 ** max(len(str(max(customers, 1))) - 2, 0)
    return max(-(-customers // unit) * unit, 1)


def _written(
    data: Purchases,
    parts: list[Part],
    bound: int,
    rule: str,
    silo_of: NDArray[np.int64],
    budget: Budget,
    folder: Path,
) -> Dealt:
    rules = Rules(bound, f"research data; {rule}", max(EPSILON_CAP, 1.01 * budget.epsilon), budget.delta)
    catalogue = data.catalogue.to_table()
    federation = write_silos(folder, parts, catalogue, rules)
    return Dealt(federation, tuple(part.name for part in parts), bound, rule, silo_of)
