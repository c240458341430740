"""Builds that take other customers into a step than the accountant believes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.mechanisms import SecureNoise
from training.audit.mutants.registry import Replacement, mutants_of
from training.objective import Objective


def double_batch() -> Iterator[Replacement]:
    """Batches are twice as large as planned, so that the processor is busy."""

    def poisson_sample(self: SecureNoise, n: int, rate: float) -> NDArray[np.int64]:
        return np.flatnonzero(self.uniform(n) < min(1.0, 2 * rate))

    yield SecureNoise, "poisson_sample", poisson_sample


def shuffled_sampler() -> Iterator[Replacement]:
    """Customers are shuffled once an epoch and cut into batches, as data loaders do."""
    waiting: dict[int, NDArray[np.int64]] = {}
    lock = threading.Lock()

    def poisson_sample(self: SecureNoise, n: int, rate: float) -> NDArray[np.int64]:
        size = round(n * rate)
        with lock:
            left = waiting.get(n, np.zeros(0, np.int64))
            while len(left) < size:
                left = np.concatenate([left, np.argsort(self.uniform(n))])
            waiting[n] = left[size:]
        return np.sort(left[:size])

    yield SecureNoise, "poisson_sample", poisson_sample


def fixed_size_sampler() -> Iterator[Replacement]:
    """Every batch has the same number of customers, chosen without replacement."""

    def poisson_sample(self: SecureNoise, n: int, rate: float) -> NDArray[np.int64]:
        return np.sort(np.argsort(self.uniform(n))[: round(n * rate)])

    yield SecureNoise, "poisson_sample", poisson_sample


def two_examples_per_customer() -> Iterator[Replacement]:
    """Each sampled customer is seen twice, with other targets hidden: augmentation."""
    real = Objective.batch

    def batch(self: Objective, sequences: Any, customers: Any, *args: Any, **kwargs: Any) -> Any:
        return real(self, sequences, np.repeat(customers, 2), *args, **kwargs)

    yield Objective, "batch", batch


MUTANTS = mutants_of(double_batch, shuffled_sampler, fixed_size_sampler, two_examples_per_customer)
