"""All stages in order: from the silos' noised sums to the models that a bundle publishes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.models.affinity import Affinity, category_groups, denoise
from recsys.models.popularity import with_new_items
from recsys.models.titles import title_vectors
from training.aggregation import NoisedTotal
from training.config import COPURCHASE, FOLLOWUPS, TOWERS
from training.demand_stage import run_demand
from training.gradient_rounds import published_vectors, run_towers
from training.publish import Block, Models
from training.rhythm_rounds import run_rhythm
from training.scopes import pair_scope, taste_profile
from training.session import Arrays, Session
from training.stages import run_copurchase, run_followups, run_intervals, run_popularity, run_season

FACTORS, FLAT, TITLES = "factors", "flat", "titles"


def train_models(session: Session) -> Models:
    """Run or resume every stage of the plan. Errors: see `training.run.run_training`."""
    new = _new_items(session)  # before anything is spent
    popularities = run_popularity(session)
    intervals = run_intervals(session)
    intervals |= run_rhythm(session, popularities, intervals)
    intervals |= run_season(session)
    follow_ups = run_followups(session, popularities)
    demand = run_demand(session, popularities)
    affinity = _affinity(session, popularities, run_copurchase(session, popularities))
    towers = run_towers(session, popularities)
    blocks, curves = [], {}
    if affinity.history.shape[1]:
        blocks.append(Block(COPURCHASE, affinity.candidates, affinity.history))
    if towers is not None:
        vectors = published_vectors(session, towers, popularities)
        blocks.append(Block(TOWERS, vectors, vectors))
        curves = {"gradient_norm": towers.gradient_norms, "update_norm": towers.update_norms}
    fusion = session.config.fusion
    if fusion.titles > 0.0:
        titles = title_vectors(
            session.catalogue.titles,
            fusion.title_columns,
            ids=session.catalogue.item_ids,
            numbers=fusion.title_numbers,
            popularity=popularities,
        )
        blocks += [Block(TITLES, titles, titles)] if titles.shape[1] else []
    profile = taste_profile(session.catalogue, popularities, session.settings.profile)
    if not blocks and not len(profile):
        # An index needs a column; here popularity says all that is known of items.
        flat = np.zeros((len(session.catalogue), 1), np.float32)
        blocks.append(Block(FLAT, flat, flat))
    expected = with_new_items(popularities, session.catalogue.category_codes[0], new)
    return Models(
        expected,
        tuple(blocks),
        profile,
        affinity.neighbours,
        affinity.lifts,
        intervals,
        curves,
        follow_ups if session.plan.has(FOLLOWUPS) else None,
        demand,
    )


def _new_items(session: Session) -> NDArray[np.bool_]:
    """Which items are declared as new; bool [n_items]. UnknownItemError for one outside the catalogue."""
    new = np.zeros(len(session.catalogue), bool)
    new[[session.catalogue.index(item) for item in session.config.new_items]] = True
    return new


def _affinity(session: Session, popularities: NDArray[np.float64], total: NoisedTotal | None) -> Affinity:
    """The co-purchase model; without columns and neighbours if the plan has no share for it."""
    if total is None:
        n = len(session.catalogue)
        nothing = np.zeros((n, 0), np.float32)
        return Affinity(nothing, nothing, np.zeros((n, 0), np.int32), nothing)

    def make() -> Arrays:
        settings = session.settings.copurchase
        return vars(
            denoise(
                total.values,
                total.noise_std,
                pair_scope(popularities, settings),
                category_groups(session.catalogue),
                form=session.config.copurchase.form,
                rank=session.config.copurchase.rank,
                neighbours=session.config.copurchase.neighbours,
                customers=float(sum(session.plan.registered_customers.values())),
            )
        )

    return Affinity(**session.once(FACTORS, make))
