"""All stages in order: from the silos' noised sums to the models that a bundle publishes."""

from __future__ import annotations

import numpy as np

from training.config import COPURCHASE, TOWERS
from training.gradient_rounds import published_vectors, run_towers
from training.publish import Block, Models
from training.session import Session
from training.stages import run_copurchase, run_intervals, run_popularity


def train_models(session: Session) -> Models:
    """Run or resume every stage of the plan. Raises QuorumError, PlanError, BudgetExceededError, TrainingError."""
    popularities = run_popularity(session)
    intervals = run_intervals(session)
    total = run_copurchase(session, popularities)
    towers = run_towers(session, popularities)
    blocks: list[Block] = []
    curves: dict[str, list[float]] = {}
    if towers is not None:
        vectors = published_vectors(session, towers)
        blocks.append(Block(TOWERS, vectors, vectors))
        curves = {"gradient_norm": towers.gradient_norms, "update_norm": towers.update_norms}
    n = len(session.catalogue)
    return Models(
        popularities,
        tuple(blocks),
        np.full((n, 1), -1, np.int32),
        np.zeros((n, 1), np.float32),
        intervals,
        curves,
    )
