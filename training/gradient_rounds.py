"""The towers' rounds: parameters out, noised gradient sums in, one server step, a checkpoint per block."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.features.items import ItemFeatures, item_features
from recsys.towers.category_gradient import shared_gradient
from recsys.towers.two_tower import initial_parameters, item_vectors
from training.aggregation import mean_gradient
from training.config import TOWERS
from training.scopes import tower_config
from training.server_optimizer import ServerAdam
from training.session import Arrays, Session

CHECKPOINT = "towers.safetensors"
STAGE = f"train.{TOWERS}"


@dataclass
class Towers:
    """The state between rounds: parameters (flat float32), where gradients are taken, optimizer, and norms.

    The norms are of what was applied and public: they are computed from noised sums.
    """

    parameters: NDArray[np.float32]
    optimizer: ServerAdam
    gradient_norms: list[float] = field(default_factory=list)
    update_norms: list[float] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """How many rounds are done."""
        return len(self.update_norms)

    @property
    def published(self) -> NDArray[np.float32]:
        """The parameters to publish: averaged over the last half of the rounds."""
        return self.optimizer.average(self.parameters)

    def apply(self, gradient: NDArray[np.float32]) -> None:
        """One server step."""
        moved = self.optimizer.step(self.parameters, gradient)
        self.gradient_norms.append(float(np.linalg.norm(gradient)))
        self.update_norms.append(float(np.linalg.norm(moved - self.parameters)))
        self.parameters = moved


def run_towers(session: Session, popularities: NDArray[np.float64]) -> Towers | None:
    """All rounds of the towers, from the last checkpoint on; None if the plan has no share for them.

    A block is the reservation's size in every silo: after an interruption the block that was under way is
    done and charged again.
    """
    plan, every = session.plan.dpsgd, session.config.checkpoint_every
    if plan is None:
        return None
    features, config = item_features(session.catalogue), tower_config(session.settings.towers)
    towers = _restored(session, features, plan.steps)
    with session.timed(TOWERS):
        while towers.rounds < plan.steps:
            end = min(plan.steps, (towers.rounds // every + 1) * every)
            while towers.rounds < end:
                session.progress(TOWERS, towers.rounds, plan.steps)
                gradient = _gradient(session, towers, popularities, end)
                towers.apply(shared_gradient(features, config, gradient))
            session.folder.write_arrays(CHECKPOINT, _saved(towers))
    session.progress(TOWERS, plan.steps, plan.steps)
    return towers


def published_vectors(
    session: Session, towers: Towers, popularities: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The items' embeddings; float32 [n_items, embedding_dim]. The table is tied: history uses the same."""
    return item_vectors(
        item_features(session.catalogue),
        tower_config(session.settings.towers),
        towers.published,
        np.log(popularities).astype(np.float32),
    )


def _gradient(
    session: Session, towers: Towers, popularities: NDArray[np.float64], end: int
) -> NDArray[np.float32]:
    sums = session.rounds.sums(
        STAGE,
        length=len(towers.parameters),
        number=towers.rounds,
        arrays={"parameters": towers.parameters, "popularity": popularities},
        block_end=end,
    )
    return mean_gradient(sums, session.plan)


def _restored(session: Session, features: ItemFeatures, steps: int) -> Towers:
    settings = session.config.towers
    optimizer = ServerAdam(settings.learning_rate, steps)
    start = initial_parameters(features, tower_config(session.settings.towers), session.config.seed)
    if not session.folder.has(CHECKPOINT):
        return Towers(start, optimizer)
    saved = session.folder.read_arrays(CHECKPOINT)
    norms = (saved.pop("gradient_norms").tolist(), saved.pop("update_norms").tolist())
    parameters = saved.pop("parameters")
    optimizer.restore(saved)
    return Towers(parameters, optimizer, *norms)


def _saved(towers: Towers) -> Arrays:
    norms = {"gradient_norms": np.array(towers.gradient_norms), "update_norms": np.array(towers.update_norms)}
    return {"parameters": towers.parameters, **norms, **towers.optimizer.state()}
