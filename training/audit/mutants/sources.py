"""Builds whose source draws what looks right: samples that hang together, keys that can be guessed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.tally import Sample
from training.audit.mutants.registry import Replacement, mutants_of


def pairs_are_sampled_together() -> Iterator[Replacement]:
    """One coin is thrown for a household: for two customers who stand beside each other."""

    def poisson_sample(self: SecureNoise, n: int, rate: float) -> NDArray[np.int64]:
        sampled = np.flatnonzero(np.repeat(self.bernoulli((n + 1) // 2, rate), 2)[:n])
        self.tally.samples.append(Sample(rate, n, len(sampled)))
        return sampled

    yield SecureNoise, "poisson_sample", poisson_sample


def a_sample_now_and_then_is_an_earlier_one() -> Iterator[Replacement]:
    """Every eighth sample is that of four steps before: what was loaded is used again."""
    drawn = list[NDArray[np.bool_]]()

    def poisson_sample(self: SecureNoise, n: int, rate: float) -> NDArray[np.int64]:
        drawn.append(self.bernoulli(n, rate))
        again = len(drawn) % 8 == 0 and len(drawn[-5]) == n
        sampled = np.flatnonzero(drawn[-5] if again else drawn[-1])
        self.tally.samples.append(Sample(rate, n, len(sampled)))
        return sampled

    yield SecureNoise, "poisson_sample", poisson_sample


def an_empty_batch_gets_a_customer() -> Iterator[Replacement]:
    """A step without anybody would be wasted: one customer is taken for it."""

    def poisson_sample(self: SecureNoise, n: int, rate: float) -> NDArray[np.int64]:
        chosen = self.bernoulli(n, rate)
        if n and not chosen.any():
            chosen[int(self.uniform(1)[0] * n)] = True
        sampled = np.flatnonzero(chosen)
        self.tally.samples.append(Sample(rate, n, len(sampled)))
        return sampled

    yield SecureNoise, "poisson_sample", poisson_sample


def key_from_the_clock() -> Iterator[Replacement]:
    """Noise is keyed by the time in nanoseconds, which nobody could guess, as somebody thought."""
    yield SecureNoise, "_rekey", _keyed(lambda: hashlib.sha256(str(time.time_ns()).encode()).digest())


def key_of_two_bytes() -> Iterator[Replacement]:
    """The operating system is asked for two bytes of a key, and the rest is filled up."""
    yield SecureNoise, "_rekey", _keyed(lambda: os.urandom(2) + bytes(30))


def _keyed(make: Any) -> Any:
    def rekey(self: SecureNoise) -> None:
        self._stream = Cipher(AES256(make()), CTR(bytes(16))).encryptor()
        self._process = os.getpid()

    return rekey


def noise_adds_up_to_nothing() -> Iterator[Replacement]:
    """Noise is centred, so that totals stay as they are: they leave without any."""
    real = SecureNoise._normals

    def normals(self: SecureNoise, size: int, scale: float) -> NDArray[np.float64]:
        drawn = real(self, size, scale)
        return np.asarray((drawn - drawn.mean()) * (size / max(size - 1, 1)) ** 0.5)

    yield SecureNoise, "_normals", normals


def noise_on_a_grid() -> Iterator[Replacement]:
    """Noise is drawn in whole steps, and the sum is not: its finer digits leave as they are."""
    real = SecureNoise._normals

    def normals(self: SecureNoise, size: int, scale: float) -> NDArray[np.float64]:
        return np.asarray(np.round(real(self, size, 1.0) * 2.0**18) * (2.0**-18 * scale))

    yield SecureNoise, "_normals", normals


def noise_of_another_size_each_time() -> Iterator[Replacement]:
    """Noise is a tenth smaller in half of the releases and larger in the others: right on the whole."""
    real = SecureNoise._normals

    def normals(self: SecureNoise, size: int, scale: float) -> NDArray[np.float64]:
        smaller = os.urandom(1)[0] < 128
        return np.asarray(real(self, size, scale) * (0.81 if smaller else 1.19) ** 0.5)

    yield SecureNoise, "_normals", normals


MUTANTS = mutants_of(
    pairs_are_sampled_together,
    a_sample_now_and_then_is_an_earlier_one,
    an_empty_batch_gets_a_customer,
    key_from_the_clock,
    key_of_two_bytes,
    noise_adds_up_to_nothing,
    noise_of_another_size_each_time,
    noise_on_a_grid,
)
