"""The towers' non-private twin: same model, examples and loss; pooled data, no clipping, no noise.

Nothing here is private. Every result carries the stamp, and nothing runs without a `ResearchOnly`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError
from recsys.features.sequences import Sequences
from recsys.seeds import rng
from recsys.towers.category_gradient import shared_gradient
from recsys.towers.two_tower import initial_parameters
from training.batches import Batch
from training.objective import Objective
from training.server_optimizer import ServerAdam

STAMP = "outside the claim"
_KEY = object()


@dataclass(frozen=True)
class ResearchOnly:
    """Proof that somebody asked for `--research-data`; `research_only` is its only maker."""

    _key: object = field(repr=False)

    def __post_init__(self) -> None:
        if self._key is not _KEY:
            raise ConfigError("training without privacy needs --research-data: data that may be published")


def research_only(*, research_data: bool) -> ResearchOnly:
    """The token, if the run was told that its data are research data. Raises ConfigError otherwise."""
    return ResearchOnly(_KEY if research_data else None)


@dataclass(frozen=True)
class PlainTowers:
    """parameters: float32 [rows * embedding_dim], trained without privacy; stamp: to be shown with them."""

    parameters: NDArray[np.float32]
    stamp: str = STAMP


def plain_gradient(
    objective: Objective, parameters: NDArray[np.float32], batch: Batch, token: ResearchOnly
) -> NDArray[np.float32]:
    """The mean over the batch of the loss's gradient, neither clipped nor noised; flat float32."""
    _check(token)
    tower = objective.tower(parameters)
    losses = objective.losses(tower, batch)
    (losses.sum() / max(len(batch), 1)).backward()  # type: ignore[no-untyped-call]
    gradient = tower.table.grad
    return np.zeros_like(parameters) if gradient is None else gradient.numpy().ravel()


def train_plain(
    objective: Objective,
    sequences: Sequences,
    token: ResearchOnly,
    *,
    steps: int,
    sampling_rate: float,
    learning_rate: float,
    seed: int = 0,
) -> PlainTowers:
    """The steps that the private run would make, on pooled data and with the same optimizer.

    sampling_rate: chance of each customer to be in a step. Equal seeds give equal results.
    """
    _check(token)
    parameters = initial_parameters(objective.features, objective.config, seed)
    optimizer, random = ServerAdam(learning_rate, steps), rng(seed, "research", "towers")
    for _ in range(steps):
        sampled = np.flatnonzero(random.random(len(sequences)) < sampling_rate)
        batch = objective.batch(sequences, sampled, random)
        gradient = plain_gradient(objective, parameters, batch, token)
        gradient = shared_gradient(objective.features, objective.config, gradient)
        parameters = optimizer.step(parameters, gradient)
    return PlainTowers(optimizer.average(parameters))


def _check(token: ResearchOnly) -> None:
    if not isinstance(token, ResearchOnly):
        raise ConfigError("training without privacy needs a token of research_only(research_data=True)")
