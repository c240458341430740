"""New silos, and what a silo has of the federation: with all, without it, and alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.coldstart.customers import both_lists
from experiments.coldstart.section import K, Lists, Section, counts_before, recalls
from experiments.coldstart.world import ColdWorld
from experiments.holdout import Holdout
from recsys.data.split import temporal_split
from recsys.models.baselines import personal_ranker, popularity_ranker
from recsys.recommend.pipeline import Recommender

FEDERATION, WITHOUT, ALONE = "federation", "federation without it", "alone"


def measure_silos(
    world: ColdWorld,
    by_silo: Mapping[str, Mapping[str, Recommender]],
) -> Section:
    """All customers of every silo, served by several trainings. by_silo: silo -> training -> recommender."""
    rows: dict[str, dict[str, float]] = {}
    for side in world.silos:
        split = temporal_split(side.histories, world.cutoff)
        holdout = Holdout(side.name, split, side.assortment)
        shown = split.train.select(holdout.split.customers)
        counts = counts_before(side, world.cutoff, trained_only=True)
        lists: dict[str, Lists] = {
            name: both_lists(recommender, shown, holdout) for name, recommender in by_silo[side.name].items()
        }
        for name, rank in (("popularity", popularity_ranker), ("personal top", personal_ranker)):
            ranker = rank(counts, K)
            lists[name] = (ranker(shown, False), ranker(shown, True))
        size = {"customers": float((~side.never).sum()), "evaluated": float(len(holdout.split.customers))}
        for name, found in lists.items():
            rows[f"{side.name}, {name}"] = size | recalls([found], [holdout])
    notes = (
        "every training at the same person-level epsilon; a silo that trains alone adds its noise once, a "
        "federation once for each silo",
        "'federation without it': the silo is new, none of its customers trained; it serves its own "
        "customers' histories",
        "customers: of the silo who train; target: the first basket after the cut-off; popularity and "
        "personal top: exact counts of the silo",
    )
    return Section("New silos, and what each silo has of the federation", notes, rows)


def gains(section: Section, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """A silo's Recall@20 in the federation over that alone, of all and of new items; NaN if that is 0."""
    found = {}
    for name in names:
        alone, whole = (section.rows[f"{name}, {training}"] for training in (ALONE, FEDERATION))
        found[name] = {
            column: whole[column] / alone[column] if alone[column] > 0.0 else np.nan
            for column in ("recall_at_20", "new_recall_at_20")
        }
    return found
