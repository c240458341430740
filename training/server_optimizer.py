"""The coordinator's step from noised gradients: Adam with one second moment for the whole table, averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.errors import TrainingError

MOMENTUM, SECOND_MOMENTUM, EPSILON = 0.9, 0.99, 1e-12
AVERAGED = 0.5  # the share of the steps, the last ones, whose parameters are averaged
KEYS = ("momentum", "second_moment", "done", "total")


@dataclass
class ServerAdam:
    """Adam (Kingma and Ba 2015), but with ONE second moment, the mean over all entries; then an average.

    A second moment per entry divides noise by noise: entries that hold no signal would move as far as those
    that hold much. The rate is constant: steps wander about where the signal leads, and the mean of the last
    half of the parameters (Polyak and Juditsky 1992) has less noise than any. Reads noised gradients alone,
    so that all of this is post-processing.

    learning_rate: typical change of an entry in a step; steps: how many there will be.
    """

    learning_rate: float
    steps: int
    _momentum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)
    _second_moment: float = 0.0
    _done: int = 0
    _total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)

    def step(self, parameters: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
        """The parameters after one step, from which the next gradient is taken; float32 [p].

        gradient: [p], the silos' noised sums over the public divisor. Raises TrainingError if the two differ
        in shape or the gradient is not finite.
        """
        if gradient.shape != parameters.shape or not np.isfinite(gradient).all():
            raise TrainingError(
                f"gradient of shape {list(gradient.shape)} for {parameters.size} parameters is of the wrong "
                "shape or not finite; leave out the silo that sent it"
            )
        self._done += 1
        exact = gradient.astype(np.float64)
        momentum = self._momentum if self._momentum.size else np.zeros_like(exact)
        self._momentum = MOMENTUM * momentum + (1.0 - MOMENTUM) * exact
        mean_square = float(np.mean(exact * exact))
        self._second_moment = SECOND_MOMENTUM * self._second_moment + (1.0 - SECOND_MOMENTUM) * mean_square
        direction = self._momentum / (1.0 - MOMENTUM**self._done)
        scale = np.sqrt(self._second_moment / (1.0 - SECOND_MOMENTUM**self._done))
        change = self.learning_rate * direction / (scale + EPSILON)
        moved: NDArray[np.float32] = (parameters - change).astype(np.float32)
        if self._averaged > 0:
            self._total = (self._total if self._total.size else 0.0) + moved.astype(np.float64)
        return moved

    @property
    def _averaged(self) -> int:
        """How many of the last steps are in the average so far."""
        return self._done - self.steps + max(1, round(AVERAGED * self.steps))

    def average(self, parameters: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is to be published: the mean of the last half of all steps' parameters; float32 [p].

        parameters: the latest, which are given back if the half has not begun.
        """
        if self._averaged <= 0:
            return parameters
        mean: NDArray[np.float32] = (self._total / self._averaged).astype(np.float32)
        return mean

    def state(self) -> dict[str, NDArray[np.float64]]:
        """All that changes, as arrays for a checkpoint."""
        values = (self._momentum, np.array([self._second_moment]), np.array([float(self._done)]), self._total)
        return dict(zip(KEYS, values, strict=True))

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Continue from `state()`. Raises TrainingError if something is missing."""
        if missing := [key for key in KEYS if key not in state]:
            raise TrainingError(f"optimizer checkpoint: '{missing[0]}' is missing; start anew with --fresh")
        self._momentum = state["momentum"].astype(np.float64)
        self._second_moment = float(state["second_moment"][0])
        self._done = int(state["done"][0])
        self._total = state["total"].astype(np.float64)
