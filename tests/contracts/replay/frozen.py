"""Randomness that is the same in both worlds: silent noise, and each customer's own coins and keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.privacy.mechanisms import SecureNoise


class FrozenNoise(SecureNoise):
    """Draws zeros, gives every customer the same coin in both worlds, and notes what it was asked for."""

    def __init__(self, coins: np.ndarray) -> None:
        super().__init__()
        self.coins, self.requests, self.sampled = coins, list[tuple[Any, ...]](), np.arange(0)

    def normal(self, shape: int | tuple[int, ...], std: float) -> np.ndarray:
        self.requests.append(("normal", shape, std))
        return super().normal(shape, std)

    def _normals(self, size: int, scale: float) -> np.ndarray:
        return np.zeros(size)

    def bernoulli(self, n: int, rate: float) -> np.ndarray:
        """n is private and not noted; coins are customers' own, in the order of the customers."""
        assert n == len(self.coins)
        self.requests.append(("coins", rate))
        self.sampled = np.flatnonzero(self.coins < rate)
        return self.coins < rate


class FrozenGenerator(np.random.Generator):
    """Chooses the same negatives in both worlds, and the same targets for each customer."""

    def __init__(self, seed: int, keys: np.ndarray, noise: FrozenNoise) -> None:
        super().__init__(np.random.PCG64(seed))
        self.keys, self.noise = keys, noise

    def random(self, size: Any = None, *arguments: Any, **options: Any) -> Any:
        """Rows of sampled customers come from their own keys; anything else from the stream."""
        if size == (len(self.noise.sampled), self.keys.shape[1]):
            return self.keys[self.noise.sampled]
        return super().random(size, *arguments, **options)
