"""New customers: people who never trained, ranked for when little or nothing of them is known."""

from __future__ import annotations

import numpy as np

from experiments.coldstart.options import ColdStartOptions
from experiments.coldstart.section import K, Lists, Section, counts_before, recalls
from experiments.coldstart.world import ColdWorld, SiloSide
from experiments.holdout import Holdout
from recsys.data.history import Histories
from recsys.data.split import Split, temporal_split
from recsys.models.baselines import personal_ranker, popularity_ranker
from recsys.recommend.pipeline import Recommender

KNOWN = (0, 1, 2, 5, 10, None)
"""How many of their first purchases are known; None is all before the cut-off."""

LEAST = 10


def measure_new_customers(
    world: ColdWorld, recommender: Recommender, options: ColdStartOptions, seed: int
) -> Section:
    """The same customers and targets in every row; only what is known of the customers grows."""
    holdouts = [new_customers(side, world.cutoff).sample(options.sample, seed) for side in world.silos]
    rows: dict[str, dict[str, float]] = {}
    for known in KNOWN:
        label = "all" if known is None else str(known)
        lists: dict[str, list[Lists]] = {"private": [], "popularity": [], "personal top": []}
        for side, holdout in zip(world.silos, holdouts, strict=True):
            shown = first_purchases(holdout.split.train.select(holdout.split.customers), known)
            counts = counts_before(side, world.cutoff, trained_only=True)
            popular, personal = popularity_ranker(counts, K), personal_ranker(counts, K)
            lists["private"].append(both_lists(recommender, shown, holdout))
            lists["popularity"].append((popular(shown, False), popular(shown, True)))
            lists["personal top"].append((personal(shown, False), personal(shown, True)))
        for method, found in lists.items():
            rows[f"{label} known, {method}"] = recalls(found, holdouts)
    evaluated = sum(len(holdout.split.customers) for holdout in holdouts)
    notes = (
        f"{evaluated:,} customers who never trained (no consent to training), with at least {LEAST} "
        "purchases before the cut-off and some after it; target: their first basket after it",
        "new: target items not bought before the cut-off at all, so that all rows look for the same; lists "
        "leave out what is known to be owned",
        "popularity: exact counts of the silo's training customers; personal top: own known purchases by "
        "frequency, then popularity",
    )
    return Section("New customers: by how many of their first purchases are known", notes, rows)


def new_customers(side: SiloSide, cutoff: int) -> Holdout:
    """A silo's customers who never trained, split at the cut-off; only the active are evaluated."""
    split = temporal_split(side.histories, cutoff)
    bought = np.diff(split.train.purchases().offsets)
    chosen = side.never[split.customers] & (bought[split.customers] >= LEAST)
    return Holdout(side.name, Split(split.train, split.targets, split.customers[chosen]), side.assortment)


def first_purchases(histories: Histories, known: int | None) -> Histories:
    """Each customer's first `known` purchases; all of them for None."""
    bought = histories.purchases()
    if known is None:
        return bought
    place = np.arange(len(bought.items)) - np.repeat(bought.offsets[:-1], np.diff(bought.offsets))
    return bought.where(place < known)


def both_lists(recommender: Recommender, shown: Histories, holdout: Holdout) -> Lists:
    """A recommender's lists from the silo's assortment."""
    allowed = holdout.assortment
    return (
        recommender.rank(shown, K, candidates=allowed),
        recommender.rank(shown, K, candidates=allowed, new_only=True),
    )
