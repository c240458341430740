"""Drift: a model frozen at the cut-off, week after week, against a popularity list made anew each week."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from experiments.coldstart.customers import both_lists
from experiments.coldstart.options import ColdStartOptions
from experiments.coldstart.section import K, Lists, Section, counts_before, recalls
from experiments.coldstart.world import ColdWorld, SiloSide
from experiments.holdout import Holdout
from recsys.data.history import SECONDS_PER_DAY
from recsys.data.split import Split, temporal_split
from recsys.models.baselines import personal_ranker, popularity_ranker
from recsys.recommend.pipeline import Recommender

WEEK = 7 * SECONDS_PER_DAY


def measure_drift(
    world: ColdWorld, recommender: Recommender, options: ColdStartOptions, seed: int
) -> Section:
    """Recall in each week after the cut-off."""
    rows: dict[str, dict[str, float]] = {}
    for week in range(options.weeks_ahead):
        start = world.cutoff + week * WEEK
        holdouts = [
            shoppers_of(side, world.cutoff, start).sample(options.sample, seed) for side in world.silos
        ]
        lists: dict[str, list[Lists]] = defaultdict(list)
        for side, holdout in zip(world.silos, holdouts, strict=True):
            live = holdout.split.train.select(holdout.split.customers)
            stale = live.where(live.times < world.cutoff)
            lists["private, frozen"].append(both_lists(recommender, live, holdout))
            lists["private and histories frozen"].append(both_lists(recommender, stale, holdout))
            fresh_counts = counts_before(side, start)
            for name, ranker in (
                ("popularity of this week", popularity_ranker(fresh_counts, K)),
                ("popularity, frozen", popularity_ranker(counts_before(side, world.cutoff), K)),
                ("personal top of this week", personal_ranker(fresh_counts, K)),
            ):
                lists[name].append((ranker(live, False), ranker(live, True)))
        evaluated = {"evaluated": float(sum(len(holdout.split.customers) for holdout in holdouts))}
        for name, found in lists.items():
            rows[f"week {week + 1}, {name}"] = evaluated | recalls(found, holdouts)
    notes = (
        "target: a customer's first basket of the week, of customers with purchases before the cut-off; new: "
        "items not bought before the week",
        "private, frozen: the bundle of the cut-off with the customer's own events up to the week, as "
        "serving reads them; histories frozen: nothing after the cut-off is read",
        "popularity of this week: exact counts up to the week, the items that are new since among them",
    )
    return Section("Drift: the model frozen at the cut-off", notes, rows)


def shoppers_of(side: SiloSide, cutoff: int, start: int) -> Holdout:
    """Who shops in the week from `start` on, and did before the cut-off; known is all before the week."""
    within = side.histories.where(side.histories.times < start + WEEK)
    split = temporal_split(within, start)
    early = within.where(within.times < cutoff).purchases()
    known = np.diff(early.offsets)[split.customers] > 0
    return Holdout(side.name, Split(split.train, split.targets, split.customers[known]), side.assortment)
