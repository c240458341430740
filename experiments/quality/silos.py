"""The training side of a trial as silos on disk: customers dealt by a rule, or purchases by a column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.dealing import EPSILON_CAP, Part, Rules, hashed_silos, write_silos
from experiments.quality.tables import Purchases
from experiments.quality.trial import Trial

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


@dataclass(frozen=True)
class Membership:
    """Who trains in which silo, decided once by all items: a run on fewer items keeps it.

    ranks: int64 [customers, silos], a silo's place among a person's, from 1; 0 where the person is not in it
    homes: int64 [customers], each one's silo; None with silos by a column, where it is the target's
    """

    names: tuple[str, ...]
    ranks: NDArray[np.int64]
    homes: NDArray[np.int64] | None
    max_silos_per_person: int
    rule: str


def by_customer(data: Purchases, trial: Trial, silos: int) -> Membership:
    """Silos of whole customers."""
    homes = hashed_silos(data.customer_ids, silos)
    ranks = np.zeros((len(homes), silos), np.int64)
    ranks[trial.learners, homes[trial.learners]] = 1
    return Membership(tuple(f"silo-{silo}" for silo in range(silos)), ranks, homes, 1, HASH_RULE)


def by_column(data: Purchases, trial: Trial, bound: int) -> Membership:
    """Silos by a column of the purchases: a customer may be in several, and trains in at most `bound`.

    A person's silos are ranked by how much of that person's purchases they hold, which the person alone
    decides; silos beyond the bound drop the person before training.
    """
    bound, ranks = min(bound, len(data.silo_names)), _ranks(data, trial)
    several = int((ranks > 0).sum(1).max(initial=0))
    rule = (
        f"silos by a column; persons are in up to {several}, and each one's records train in the {bound} "
        f"that hold most of them (person_rank), over which epsilon is composed"
    )
    return Membership(data.silo_names, ranks, None, bound, rule)


def deal(data: Purchases, trial: Trial, members: Membership, budget: Budget, folder: Path) -> Dealt:
    """Write the training side as silos. In a folder that has them, tables are replaced and ledgers stay."""
    parts = []
    for silo, name in enumerate(members.names):
        inside = np.flatnonzero(members.ranks[:, silo] > 0)
        here = trial.train & (data.silos == silo) if len(data.silos) else trial.train
        histories = trial.histories.where(here).select(inside)
        ids = data.customer_ids[inside].astype(str)
        parts.append(Part(name, ids, members.ranks[inside, silo], histories, _rounded(len(inside))))
    bound, cap = members.max_silos_per_person, max(EPSILON_CAP, 1.01 * budget.epsilon)
    rules = Rules(bound, f"research data; {members.rule}", cap, budget.delta)
    federation = write_silos(folder, parts, data.catalogue.to_table(), rules)
    homes = _target_silo(data, trial) if members.homes is None else members.homes
    return Dealt(federation, members.names, bound, members.rule, homes[trial.customers])


def _ranks(data: Purchases, trial: Trial) -> NDArray[np.int64]:
    """A silo's place among a person's, from 1, 0 where the person is not in it; int64 [customers, silos]."""
    counts = np.zeros((len(trial.histories), len(data.silo_names)), np.int64)
    np.add.at(counts, (trial.histories.rows[trial.train], data.silos[trial.train]), 1)
    places = np.argsort(np.argsort(-counts, axis=1, kind="stable"), axis=1, kind="stable") + 1
    return np.where(counts > 0, places, 0)


def _target_silo(data: Purchases, trial: Trial) -> NDArray[np.int64]:
    silo_of = np.zeros(len(trial.histories), np.int64)
    silo_of[trial.histories.rows[trial.target]] = data.silos[trial.target]
    return silo_of


def _rounded(customers: int) -> int:
    """A public constant near the number of customers: two significant digits, upwards."""
    unit: int = 10 ** max(len(str(max(customers, 1))) - 2, 0)
    return max(-(-customers // unit) * unit, 1)
