"""The noise, the sample and the bound: the three things that make a release private.

Numeric mode: a keystream of AES-256 in counter mode, keyed by the operating system; two 53-bit uniforms for a
pair of normals; Box-Muller in float64, sines and cosines to 2e-15; the sum and its noise are added in float64
and the released value is rounded to float32, which is post-processing. Known limit: the claim is for
real-valued Gaussian noise; floating-point noise misses some values (Mironov 2012) and is cut at 8.6 standard
deviations (probability 2^-53). Adding in float64 before rounding to float32 hides the low bits in which such
attacks read, and nothing here claims more than that.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable
from typing import NoReturn

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

from recsys.errors import PlanError
from recsys.privacy import checks
from recsys.privacy.charge import NOISE_SOURCE
from recsys.privacy.clipping import Vectors, clip_rows, on_grid
from recsys.privacy.releases import DpSgdPlan, ReleasePlan
from recsys.privacy.tally import Clip, Draw, Sample, Tally

__all__ = ["NOISE_SOURCE", "SecureNoise", "clip_rows", "noised_sum", "release_sum"]

# Pairs of normals made at a time: what they need stays in the processor's cache.
CHUNK = 1 << 14
TWO_53 = float(2**53)
# Sines are the slowest part: a turn is looked up by its first bits and finished by a short series.
SECTORS = 1 << 10
SECTOR_SHIFT, SECTOR_MASK = np.uint64(43), np.uint64((1 << 43) - 1)
MIDDLES = np.exp(2j * np.pi * (np.arange(SECTORS) + 0.5) / SECTORS)


class SecureNoise:
    """Gaussian noise and Poisson samples that nobody can replay.

    Each instance has a key of its own from the operating system; there is no seed, no state can be saved or
    copied, and a forked process takes a new key before it draws. Safe to share between threads.

    `tally` counts what this instance was asked for, by itself: `training.spend` holds it against the charge.

    Guarantee: draws are independent across calls, instances, processes and restarts as far as AES-256 is a
    pseudo-random function; the privacy claim is computational in that sense alone.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._lock = threading.Lock()
        self._rekey()

    def normal(self, shape: int | tuple[int, ...], std: float) -> NDArray[np.float64]:
        """Independent normals of mean 0 and standard deviation `std`, float64, of this shape.

        PlanError unless std is finite and above 0: a release without noise is no release.
        """
        scale = _noise_std(std)
        size = math.prod(shape) if isinstance(shape, tuple) else shape
        self.tally.draws.append(Draw(scale, size))
        return self._normals(size, scale).reshape(shape)

    def _normals(self, size: int, scale: float) -> NDArray[np.float64]:
        pairs = np.empty((size + 1) // 2, dtype=np.complex128)
        for start in range(0, len(pairs), CHUNK):
            part = pairs[start : start + CHUNK]
            _box_muller(self._integers(2 * len(part)), scale, part)
        return pairs.view(np.float64)[:size]

    def uniform(self, n: int) -> NDArray[np.float64]:
        """n independent uniforms in [0, 1), multiples of 2^-53."""
        return self._integers(n) / TWO_53

    def bernoulli(self, n: int, rate: float) -> NDArray[np.bool_]:
        """n independent coins, True with chance `rate` in (0, 1], rounded down to a multiple of 2^-53."""
        threshold = np.uint64(np.floor(checks.probability("sampling_rate", rate) * TWO_53))
        return self._integers(n) < threshold

    def poisson_sample(self, n: int, rate: float) -> NDArray[np.int64]:
        """Positions, ascending, of the customers of n that are in this step: each with chance `rate`, alone.

        The size of the sample is private; divide by `PrivacyPlan.expected_batch` instead.
        """
        sampled = np.flatnonzero(self.bernoulli(n, rate))
        self.tally.samples.append(Sample(rate, n, len(sampled)))
        return sampled

    def _integers(self, n: int) -> NDArray[np.uint64]:
        """n independent whole numbers in [0, 2^53)."""
        return np.frombuffer(self._bytes(8 * n), dtype=np.uint64) >> np.uint64(11)

    def _bytes(self, n: int) -> bytes:
        """The next n bytes of the keystream."""
        if self._process != os.getpid():
            self._lock = threading.Lock()
            self._rekey()
        with self._lock:
            return self._stream.update(bytes(n))

    def _rekey(self) -> None:
        self._stream: CipherContext = Cipher(AES256(os.urandom(32)), CTR(os.urandom(16))).encryptor()
        self._process = os.getpid()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("SecureNoise cannot be copied or saved: replayed noise hides nothing; make a new one")


def noised_sum(
    total: Vectors, plan: ReleasePlan | DpSgdPlan, noise: SecureNoise, customers: int
) -> NDArray[np.float32]:
    """The sum of clipped contributions with the plan's noise on every coordinate, float32 of the same shape.

    customers: how many contributions were added up (private; it is compared and tallied, nothing else).
    Raises PlanError for a sum that is not finite.

    Guarantee: customer-level, add-or-remove-one, one release of `plan.event`, if every customer added at most
    one vector of L2 norm at most `plan.clip_norm` (`recsys.privacy.clipping`). Zeros are noised like
    everything else.
    """
    if not np.isfinite(total).all():
        raise PlanError(
            f"{plan.name}: the sum is not finite, so it was not clipped; clip each contribution first"
        )
    # A sum of n vectors is at most n times as long as the longest.
    longest = float(np.linalg.norm(total)) / max(customers, 1)
    noise.tally.clips.append(Clip(plan.clip_norm, longest, customers))
    noised = noise.normal(total.shape, plan.noise_std)
    noised += total
    return noised.astype(np.float32)


def release_sum(batches: Iterable[Vectors], plan: ReleasePlan, noise: SecureNoise) -> NDArray[np.float32]:
    """Clip each customer's row, add them up batch by batch, add the plan's noise once.

    batches: arrays [customers, ...] of one shape after the first axis; each customer in one row of one batch.

    Guarantee: customer-level, add-or-remove-one, `plan.event` once.
    """
    total: NDArray[np.float64] | None = None
    customers = 0
    for rows in batches:
        part = on_grid(clip_rows(rows, plan.clip_norm), plan.clip_norm).sum(axis=0)
        total = part if total is None else total + part
        customers += len(rows)
    if total is None:
        raise PlanError(f"{plan.name}: no batches; give one of shape [0, ...] if there are no customers")
    return noised_sum(total, plan, noise, customers)


def _box_muller(integers: NDArray[np.uint64], scale: float, out: NDArray[np.complex128]) -> None:
    """Fill `out` with pairs of normals, as complex numbers (Box & Muller 1958), from 53-bit integers [2n]."""
    # 1 - u is in (0, 1], so its logarithm is finite.
    radius = np.subtract(TWO_53, integers[: len(out)], dtype=np.float64)
    radius *= 1 / TWO_53
    np.log(radius, out=radius)
    radius *= -2.0
    np.sqrt(radius, out=radius)
    radius *= scale
    _turn(radius, integers[len(out) :], out)


def _turn(radius: NDArray[np.float64], integers: NDArray[np.uint64], out: NDArray[np.complex128]) -> None:
    """Fill `out` with radius * exp(2 pi i * integer / 2^53), to float64's precision.

    The top bits choose one of SECTORS; what is left is an angle of at most pi / SECTORS from its middle, for
    which three terms of the sine's series and of the cosine's are exact in float64.
    """
    sectors = (integers >> SECTOR_SHIFT).view(np.int64)
    angle = (integers & SECTOR_MASK).astype(np.float64)
    angle -= 2.0**52 / SECTORS
    angle *= 2 * np.pi / TWO_53
    square = angle * angle
    sine = square * (1 / 120)
    sine -= 1 / 6
    sine *= square
    sine += 1.0
    sine *= angle
    cosine = square * (1 / 24)
    cosine -= 0.5
    cosine *= square
    cosine += 1.0
    rest = np.empty_like(out)
    np.multiply(cosine, radius, out=rest.real)
    np.multiply(sine, radius, out=rest.imag)
    np.multiply(MIDDLES.take(sectors, mode="wrap"), rest, out=out)


def _noise_std(std: float) -> float:
    if not checks.finite("noise standard deviation", std) > 0.0:
        raise PlanError(f"noise standard deviation is {std!r}; give a number above 0")
    return float(std)
