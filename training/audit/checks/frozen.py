"""Chance held still, so that what noise would hide can be measured: no check needs more of the real code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.mechanisms import SecureNoise
from training import spend

_generator = np.random.default_rng


class Frozen(SecureNoise):
    """Draws noise and throws it away. Who is sampled is drawn as ever."""

    def normal(self, shape: int | tuple[int, ...], std: float) -> NDArray[np.float64]:
        """Zeros."""
        return np.zeros_like(super().normal(shape, std))


def given(noise: NDArray[np.float64]) -> Callable[[], SecureNoise]:
    """A source whose noise is given, so that what a release rounds to float32 can be chosen."""

    class Given(SecureNoise):
        def normal(self, shape: int | tuple[int, ...], std: float) -> NDArray[np.float64]:
            return super().normal(shape, std) * 0.0 + noise.reshape(shape)

    return Given


class Unreleased(SecureNoise):
    """The real noise for a step that is measured here and released nowhere, so that nothing is charged."""


class SameForAll(np.random.Generator):
    """Choices that are the same for every customer, whoever else is there, and in every step."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, size: Any = None, *_: Any, **__: Any) -> Any:
        """One row of uniforms, repeated for each customer."""
        rows, columns = size
        return np.tile(_generator(1).random(columns), (rows, 1))


@contextmanager
def frozen_choices() -> Iterator[None]:
    """The towers' targets and negatives are no longer random; noise and samples still are."""

    def make(*seed: Any) -> np.random.Generator:
        return _generator(*seed) if seed else SameForAll()

    with patch.object(np.random, "default_rng", make):
        yield


@contextmanager
def frozen() -> Iterator[None]:
    """Neither noise nor random choices: a release is a function of the data (and of who is sampled)."""
    with ExitStack() as stack:
        stack.enter_context(frozen_choices())
        stack.enter_context(patch.object(spend, "SecureNoise", Frozen))
        yield


def exact(release: Callable[[], NDArray[np.float32]]) -> NDArray[np.float64]:
    """What is released, without noise and to float64's precision, though float32 is what leaves.

    Released a second time with the first answer taken off, float32 holds the digits that it lost at first.
    """
    with frozen():
        first = release().astype(np.float64)
    with frozen_choices(), patch.object(spend, "SecureNoise", given(-first)):
        rest = release().astype(np.float64)
    return first + rest
