"""The coordinator's step from noised gradients: Adam with one second moment for the whole table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsys.errors import TrainingError

MOMENTUM, SECOND_MOMENTUM, EPSILON = 0.9, 0.99, 1e-12
KEYS = ("momentum", "second_moment", "done")


@dataclass
class ServerAdam:
    """Adam (Kingma and Ba 2015), but with ONE second moment, the mean over all entries, and linear decay.

    A second moment per entry divides noise by noise: entries that hold no signal would move as far as those
    that hold much. Reads noised gradients alone, so its steps are post-processing.

    learning_rate: typical change of an entry in the first step; it falls linearly to 0 over `steps`.
    """

    learning_rate: float
    steps: int
    _momentum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)
    _second_moment: float = 0.0
    _done: int = 0

    def step(self, parameters: NDArray[np.float32], gradient: NDArray[np.float32]) -> NDArray[np.float32]:
        """The parameters after one step; float32 [p].

        gradient: [p], the silos' noised sums over the public divisor. Raises TrainingError if the two differ
        in shape or the gradient is not finite.
        """
        if gradient.shape != parameters.shape or not np.isfinite(gradient).all():
            raise TrainingError(
                f"gradient of shape {list(gradient.shape)} for {parameters.size} parameters is of the wrong "
                "shape or not finite; leave out the silo that sent it"
            )
        rate = self.learning_rate * max(0.0, 1.0 - self._done / self.steps)
        self._done += 1
        exact = gradient.astype(np.float64)
        momentum = self._momentum if self._momentum.size else np.zeros_like(exact)
        self._momentum = MOMENTUM * momentum + (1.0 - MOMENTUM) * exact
        mean_square = float(np.mean(exact * exact))
        self._second_moment = SECOND_MOMENTUM * self._second_moment + (1.0 - SECOND_MOMENTUM) * mean_square
        direction = self._momentum / (1.0 - MOMENTUM**self._done)
        scale = np.sqrt(self._second_moment / (1.0 - SECOND_MOMENTUM**self._done))
        moved: NDArray[np.float32] = (parameters - rate * direction / (scale + EPSILON)).astype(np.float32)
        return moved

    def state(self) -> dict[str, NDArray[np.float64]]:
        """All that changes, as arrays for a checkpoint."""
        values = (self._momentum, np.array([self._second_moment]), np.array([float(self._done)]))
        return dict(zip(KEYS, values, strict=True))

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Continue from `state()`. Raises TrainingError if something is missing."""
        if missing := [key for key in KEYS if key not in state]:
            raise TrainingError(f"optimizer checkpoint: '{missing[0]}' is missing; start anew with --fresh")
        self._momentum = state["momentum"].astype(np.float64)
        self._second_moment = float(state["second_moment"][0])
        self._done = int(state["done"][0])
