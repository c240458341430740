"""Builds that take other customers into a step than the accountant believes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.features.sequences import PADDING, Sequences
from recsys.privacy.mechanisms import SecureNoise
from training.audit.mutants.registry import Replacement, mutants_of
from training.engine import Engine


def double_batch() -> Iterator[Replacement]:
    """Batches are twice as large as planned, so that the processor is busy."""

    def bernoulli(self: SecureNoise, n: int, rate: float) -> NDArray[np.bool_]:
        return np.asarray(self.uniform(n) < 2 * rate)

    yield SecureNoise, "bernoulli", bernoulli


def shuffled_sampler() -> Iterator[Replacement]:
    """Customers are shuffled once an epoch and cut into batches, as data loaders do."""
    waiting: dict[int, NDArray[np.int64]] = {}
    lock = threading.Lock()

    def bernoulli(self: SecureNoise, n: int, rate: float) -> NDArray[np.bool_]:
        size = round(n * rate)
        with lock:
            left = waiting.get(n, np.zeros(0, np.int64))
            if len(left) < size:
                left = np.argsort(self.uniform(n))
            waiting[n] = left[size:]
        return np.isin(np.arange(n), left[:size])

    yield SecureNoise, "bernoulli", bernoulli


def fixed_size_sampler() -> Iterator[Replacement]:
    """Every batch has the same number of customers, chosen without replacement."""

    def bernoulli(self: SecureNoise, n: int, rate: float) -> NDArray[np.bool_]:
        return np.isin(np.arange(n), np.argsort(self.uniform(n))[: round(n * rate)])

    yield SecureNoise, "bernoulli", bernoulli


def two_examples_per_customer() -> Iterator[Replacement]:
    """A customer's history is cut in two, and each half is an example: more data to learn from."""

    real = Engine.noised_gradient

    def noised_gradient(
        self: Engine, parameters: Any, sequences: Sequences, *args: Any, **kwargs: Any
    ) -> Any:
        first, second = _half(sequences, 0), _half(sequences, 1)
        examples = Sequences(
            np.concatenate([first.ids, second.ids]), np.concatenate([first.weights, second.weights])
        )
        return real(self, parameters, examples, *args, **kwargs)

    yield Engine, "noised_gradient", noised_gradient


def _half(whole: Sequences, start: int) -> Sequences:
    """Every other item of each customer; the places of the others are empty."""
    ids, weights = np.full_like(whole.ids, PADDING), np.zeros_like(whole.weights)
    ids[:, start::2], weights[:, start::2] = whole.ids[:, start::2], whole.weights[:, start::2]
    return Sequences(ids, weights)


MUTANTS = mutants_of(double_batch, shuffled_sampler, fixed_size_sampler, two_examples_per_customer)
